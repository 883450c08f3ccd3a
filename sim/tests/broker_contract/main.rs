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
mod bare;
mod bindings;
mod channels;
mod consuming;
mod dead_letters;
mod exchanges;
mod expiry;
mod flow;
mod overflow;
mod priorities;
mod publishing;
mod queues;
mod quorum;
mod restart;
mod rig;
mod server;
mod settling;
mod streams;

contract! {
    publishing:
        a_confirm_comes_after_the_message_is_in_its_queue,
        a_mandatory_message_without_a_queue_is_returned_and_confirmed,
        an_exchange_that_is_not_there_ends_the_channel,
        messages_of_one_channel_keep_their_order,
        headers_and_persistence_survive_the_way_through;
    exchanges:
        an_exchange_without_bindings_drops_and_confirms,
        a_direct_binding_wants_its_very_key,
        a_hash_in_a_topic_is_any_number_of_words,
        a_headers_binding_of_any_wants_one_header,
        a_headers_binding_wants_all_where_nothing_is_said,
        a_headers_binding_of_all_or_any_does_not_look_at_x_headers,
        a_headers_binding_with_x_looks_at_x_headers,
        a_headers_binding_without_a_value_wants_the_header_only,
        an_unknown_x_match_is_refused,
        what_no_binding_wants_goes_to_the_alternate_exchange,
        an_alternate_exchange_that_is_not_there_takes_nothing,
        alternate_exchanges_may_form_a_circle,
        an_exchange_may_be_bound_to_an_exchange,
        a_message_that_takes_two_ways_to_a_queue_arrives_once,
        an_internal_exchange_takes_no_messages_of_clients,
        declaring_an_exchange_in_another_way_is_refused,
        an_unknown_kind_of_exchange_ends_the_connection,
        an_exchange_of_a_reserved_name_cannot_be_made,
        the_default_exchange_cannot_be_bound,
        binding_what_is_not_there_is_refused,
        a_deleted_exchange_takes_its_bindings_with_it,
        an_exchange_with_bindings_is_not_deleted_if_that_was_asked,
        an_auto_delete_exchange_goes_with_its_last_binding;
    queues:
        a_queue_without_a_name_is_given_one,
        a_queue_of_a_reserved_name_cannot_be_made,
        declaring_tells_how_many_messages_are_ready_and_who_consumes,
        declaring_a_queue_in_another_way_is_refused,
        arguments_of_the_wrong_type_are_refused,
        an_exclusive_queue_is_locked_for_other_connections,
        an_exclusive_queue_goes_with_its_connection,
        an_auto_delete_queue_goes_with_its_last_consumer,
        a_queue_in_use_is_not_deleted_if_that_was_asked,
        deleting_tells_how_many_messages_went,
        purging_takes_what_is_ready_and_leaves_what_is_unacked,
        a_queue_that_nobody_uses_expires,
        priorities_are_refused_by_queues_that_are_logs;
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
        declaring_again_with_other_arguments_is_refused,
        a_changed_prefetch_counts_for_later_consumers,
        a_prefetch_of_the_channel_bounds_its_consumers_together,
        consumers_of_a_queue_take_turns,
        a_cancelled_consumer_gets_no_more_and_its_channel_keeps_what_it_got,
        cancelling_a_consumer_that_is_not_there_is_done,
        a_consumer_tag_used_twice_ends_the_connection,
        consuming_what_is_not_there_ends_the_channel_only,
        a_stream_cannot_be_got_from,
        a_connection_exception_returns_what_all_its_channels_had_not_acked;
    channels:
        a_method_on_a_channel_that_is_not_open_ends_the_connection,
        a_method_on_a_channel_that_was_closed_ends_the_connection,
        a_channel_that_is_opened_twice_ends_the_connection,
        content_without_a_publish_ends_the_connection,
        what_comes_for_a_channel_that_the_broker_has_closed_is_discarded,
        a_channel_that_both_sides_close_is_closed_once;
    settling:
        a_requeued_message_comes_before_those_that_wait,
        messages_requeued_in_any_order_return_to_their_places,
        only_what_was_delivered_before_is_marked_redelivered,
        one_ack_of_many_takes_all_before_it,
        one_nack_of_many_requeues_all_before_it,
        a_tag_of_zero_means_everything_so_far,
        what_is_rejected_without_a_requeue_is_gone,
        an_unknown_delivery_tag_ends_the_channel,
        a_delivery_is_acked_once,
        a_delivery_is_acked_on_its_own_channel_only,
        an_ack_of_a_message_whose_queue_is_gone_is_taken,
        recovering_requeues_what_the_channel_has_not_acked,
        what_needs_no_ack_is_gone_with_its_delivery;
    quorum:
        a_quorum_queue_must_be_durable_and_nobodys_own,
        a_quorum_queue_does_not_enforce_an_exclusive_consumer,
        a_single_active_consumer_gets_everything_until_it_goes,
        a_single_active_consumer_of_a_classic_queue_is_not_exclusive,
        a_cancelled_single_active_consumer_hands_over,
        requeued_messages_of_a_quorum_queue_come_before_those_that_wait,
        a_quorum_queue_counts_how_often_a_message_came_back,
        a_message_that_came_back_too_often_is_dropped,
        a_quorum_queue_knows_no_prefetch_of_a_whole_channel;
    streams:
        a_stream_is_read_from_its_start_again_and_again,
        reading_a_stream_needs_a_prefetch,
        a_stream_gives_what_comes_later_to_a_reader_that_waits,
        acks_of_a_stream_give_credit_and_remove_nothing,
        the_end_of_a_replay_queue_is_followed,
        the_end_of_an_empty_replay_queue_is_zero;
    dead_letters:
        a_rejected_message_becomes_a_dead_letter,
        a_dead_letter_says_where_and_why_it_died,
        a_requeued_message_is_no_dead_letter,
        dead_letters_keep_their_order,
        an_expired_message_becomes_a_dead_letter,
        a_dead_letter_has_lost_its_own_expiration,
        a_message_that_a_full_queue_drops_becomes_a_dead_letter,
        a_message_that_came_back_too_often_becomes_a_dead_letter,
        dead_letters_go_by_the_queues_own_key_where_it_has_one,
        dead_letters_without_an_exchange_are_gone,
        a_letter_that_dies_again_counts_its_deaths,
        a_letter_that_would_go_in_circles_by_itself_is_dropped,
        a_dead_letter_reaches_whoever_waits_for_it;
    expiry:
        a_message_goes_when_the_queues_time_is_over,
        a_message_goes_when_its_own_time_is_over,
        the_shorter_time_counts,
        a_message_behind_one_that_stays_goes_when_it_is_first,
        a_time_of_zero_means_now_or_never,
        what_is_unacked_does_not_expire_and_keeps_its_time,
        an_expiration_that_is_no_number_ends_the_channel,
        messages_of_a_quorum_queue_expire_too;
    overflow:
        a_full_queue_drops_its_oldest_message,
        a_queue_may_be_full_by_bytes,
        what_is_unacked_does_not_make_a_queue_full,
        a_full_queue_that_rejects_nacks_what_comes,
        one_queue_that_rejects_makes_a_nack_and_the_others_keep_the_message,
        a_full_queue_may_reject_and_make_a_dead_letter_of_it;
    priorities:
        messages_of_a_higher_priority_come_first,
        a_queue_with_priorities_is_refused_and_told_why;
    flow:
        a_client_may_not_stop_the_flow_of_deliveries,
        a_publish_that_wants_an_immediate_delivery_ends_the_connection,
        a_publish_under_the_memory_alarm_is_confirmed_after_it,
        consumers_go_on_under_the_memory_alarm,
        a_connection_made_under_the_memory_alarm_is_blocked_by_its_first_publish,
        a_publish_whose_sender_has_left_under_the_memory_alarm_arrives_after_it;
    restart:
        a_restart_leaves_what_is_durable_and_persistent,
        a_restart_returns_what_was_unacked_in_its_place,
        a_restart_leaves_everything_in_quorum_queues_and_streams,
        a_stream_is_away_after_a_restart_and_comes_back;
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
        thousands_of_questions_for_a_queue_that_is_not_there_leave_a_channel_for_others,
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
