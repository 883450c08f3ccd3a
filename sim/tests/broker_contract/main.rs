//! What the protocol relies on in a broker, as tests: the same against the simulated broker and a real RabbitMQ.
//!
//! Where the two differ, the simulated one is wrong. The real one is `MS2M_TEST_RABBITMQ_URL` and
//! `MS2M_TEST_RABBITMQ_MANAGEMENT_URL` (scripts/with-rabbitmq.sh sets both), or a container where a Docker engine is
//! reachable; with neither, the real half says that it is skipped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[macro_use]
#[path = "../shared/contract.rs"]
mod contract;

mod adapter;
mod bindings;
mod consuming;
mod publishing;
mod rig;
mod streams;

contract! {
    publishing:
        a_confirm_comes_after_the_message_is_in_its_queue,
        a_mandatory_message_without_a_queue_is_returned_and_confirmed,
        an_exchange_that_is_not_there_ends_the_channel,
        messages_of_one_channel_keep_their_order,
        headers_and_persistence_survive_the_way_through;
    consuming:
        unacked_messages_return_in_their_place_when_the_connection_goes,
        unacked_messages_return_when_the_channel_closes,
        a_second_consumer_of_an_exclusive_one_is_refused,
        an_exclusive_consumer_is_refused_beside_another,
        the_slot_is_free_when_the_exclusive_consumers_channel_is_closed,
        prefetch_bounds_what_is_unacked,
        an_ack_makes_room_for_the_next,
        deleting_a_queue_cancels_its_consumer,
        asking_for_a_queue_that_is_not_there_ends_the_channel_only,
        declaring_again_with_other_arguments_is_refused;
    streams:
        a_stream_is_read_from_its_start_again_and_again,
        reading_a_stream_needs_a_prefetch,
        a_stream_gives_what_comes_later_to_a_reader_that_waits,
        acks_of_a_stream_give_credit_and_remove_nothing,
        the_end_of_a_replay_queue_is_followed,
        the_end_of_an_empty_replay_queue_is_zero;
    bindings:
        a_direct_binding_mirrors_every_message_once,
        a_topic_binding_mirrors_what_matches,
        a_fanout_binding_mirrors_whatever_the_key,
        a_headers_binding_mirrors_what_matches,
        two_bindings_of_one_message_deliver_it_once,
        after_unbinding_nothing_more_arrives,
        unbinding_what_is_not_bound_is_done;
    adapter:
        the_facts_of_a_queue_are_those_it_was_declared_with,
        a_queue_with_an_exclusive_consumer_passes_the_checks,
        a_queue_with_an_awkward_name_is_found,
        a_queue_that_is_not_there_has_no_facts,
        a_queue_of_the_default_exchange_is_refused,
        a_mirror_may_be_made_twice,
        a_queue_may_be_deleted_twice,
        whoever_consumes_a_queue_is_counted_at_once,
        a_marker_stands_behind_what_was_published_before_it,
        a_command_for_a_pod_without_a_control_queue_is_unroutable,
        replies_wait_until_they_are_acked,
        replies_that_were_not_acked_come_again,
        a_deleted_replies_queue_breaks_the_inbox;
}
