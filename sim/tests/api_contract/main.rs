//! What the operator and its simulation rely on in a Kubernetes API server, as tests: the same against the simulated server
//! and a real one.
//!
//! Where the two differ, the simulated one is wrong. The real one is that of `MS2M_TEST_KUBECONFIG`
//! (scripts/with-apiserver.sh sets it); without it, the real half says that it is skipped. It needs no controllers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::needless_pass_by_value, reason = "JSON is written where it is used")]

#[macro_use]
#[path = "../shared/contract.rs"]
mod contract;

mod apply;
mod built_in;
mod custom;
mod deletion;
mod discovery;
mod lists;
mod objects;
mod owners;
mod patches;
mod rig;
mod rules;
mod schemas;
mod subresources;
mod updates;
mod watches;

contract! {
    objects:
        a_created_object_is_stamped_with_uid_version_and_time,
        what_the_server_stamps_cannot_be_chosen,
        an_object_cannot_be_created_with_a_version,
        creating_twice_is_already_exists,
        what_is_not_there_is_not_found,
        a_namespace_that_is_not_there_takes_nothing_in,
        a_body_of_another_kind_is_a_bad_request,
        a_body_that_is_no_json_is_a_bad_request,
        a_field_of_another_type_is_a_bad_request,
        a_name_that_is_no_dns_name_is_invalid,
        an_object_without_a_name_is_invalid,
        a_generated_name_has_its_prefix_and_five_letters_more,
        a_namespace_in_the_body_must_be_that_of_the_path,
        a_resource_that_is_not_served_is_not_found,
        a_method_that_a_path_does_not_serve_is_not_allowed,
        a_field_that_a_kind_does_not_have_is_dropped,
        a_dry_run_answers_as_if_and_writes_nothing,
        an_object_is_asked_for_as_its_metadata_only;
    updates:
        replacing_answers_200_and_a_new_version,
        a_stale_version_conflicts,
        without_a_version_the_last_writer_wins,
        a_custom_resource_is_not_replaced_without_its_version,
        what_changes_nothing_keeps_the_version,
        replacing_what_is_not_there_is_not_found,
        another_uid_is_another_object,
        the_name_in_the_body_must_be_that_of_the_path,
        the_creation_time_stays,
        only_what_is_wanted_counts_as_a_generation,
        a_new_object_has_no_status_of_its_own,
        the_object_endpoint_leaves_the_status,
        the_status_endpoint_leaves_everything_else,
        the_status_is_compared_and_swapped_by_its_version,
        a_pods_spec_is_settled_apart_from_its_image,
        the_status_of_a_pod_is_its_kubelets,
        an_immutable_configmap_stays_as_it_is;
    patches:
        a_merge_patch_sets_and_a_null_removes,
        a_merge_patch_replaces_a_whole_list,
        a_json_patch_does_its_operations_in_order,
        a_json_patch_whose_test_fails_changes_nothing,
        a_json_patch_of_a_path_that_is_not_there_is_refused,
        a_patch_that_cannot_be_read_is_refused,
        a_strategic_patch_merges_lists_by_their_key,
        a_strategic_patch_adds_finalizers_to_those_that_are_there,
        a_strategic_patch_of_a_custom_resource_is_not_supported,
        a_patch_of_an_unknown_type_is_not_supported,
        a_patch_that_names_a_version_is_a_compare_and_swap,
        a_patch_of_what_is_not_there_is_not_found,
        a_patch_that_changes_nothing_keeps_the_version,
        a_patch_cannot_rename;
    apply:
        applying_what_is_not_there_creates_it,
        applying_needs_a_manager,
        applying_the_same_again_changes_nothing,
        a_field_that_is_no_longer_applied_is_removed,
        a_field_with_another_owner_stays_when_it_is_no_longer_applied,
        another_managers_value_conflicts,
        the_same_value_of_two_managers_is_shared,
        who_forces_takes_the_field_away,
        forcing_is_for_applies_only,
        an_ordinary_write_owns_what_it_changed,
        a_writer_that_says_no_name_is_called_like_its_program,
        an_apply_takes_a_field_over_that_an_update_wrote_with_the_same_value,
        list_items_are_owned_one_by_one,
        an_apply_that_names_an_old_version_conflicts,
        managed_fields_cannot_be_applied,
        a_status_is_not_applied_to_what_is_not_there;
    lists:
        an_empty_list_is_a_list,
        items_come_in_the_order_of_their_names,
        items_of_built_in_kinds_do_not_repeat_their_kind,
        items_of_custom_kinds_do,
        a_lists_version_is_not_older_than_its_items,
        labels_are_selected_by_equality_and_by_sets,
        a_selector_that_cannot_be_read_is_a_bad_request,
        every_kind_is_selected_by_its_name,
        pods_are_selected_by_their_node,
        a_field_that_is_not_indexed_is_a_bad_request,
        a_list_comes_in_pages,
        a_page_says_how_much_is_left,
        all_pages_are_of_the_moment_of_the_first,
        a_token_that_nobody_gave_out_is_a_bad_request,
        a_list_is_of_all_namespaces_where_none_is_named,
        a_list_may_be_as_old_as_the_servers_cache,
        a_list_out_of_the_cache_comes_whole,
        a_list_of_an_exact_version_is_of_that_version,
        a_match_without_a_version_is_invalid,
        no_list_is_exactly_of_any_version,
        a_version_that_is_not_reached_yet_is_waited_for_and_then_a_timeout,
        an_object_is_waited_for_like_a_list,
        who_may_try_again_is_told_when_in_a_header,
        a_token_of_a_forgotten_version_is_gone_and_brings_another,
        what_is_continued_has_its_version_already,
        a_match_that_does_not_exist_is_invalid;
    watches:
        a_watch_tells_what_happened_after_its_version,
        a_watch_tells_what_happens_while_it_is_open,
        a_watch_from_zero_begins_with_what_is_there,
        an_event_carries_the_object_as_it_was_written,
        a_deletion_carries_the_last_state_and_a_version_of_its_own,
        what_begins_to_match_is_added_and_what_ceases_to_is_deleted,
        one_object_is_watched_by_its_name,
        a_watch_of_a_namespace_tells_nothing_of_others,
        a_watch_ends_at_its_timeout,
        a_silent_watch_says_before_its_end_how_far_it_is,
        nobody_gets_bookmarks_who_did_not_ask,
        what_the_server_has_forgotten_is_gone,
        two_watches_tell_the_same_in_the_same_order,
        a_finalized_object_is_modified_first_and_deleted_at_its_end;
    deletion:
        what_nothing_holds_is_gone_at_once,
        what_is_not_there_cannot_be_deleted,
        a_name_that_is_used_again_is_another_object,
        a_finalizer_holds_an_object_back,
        it_goes_with_its_last_finalizer,
        a_going_object_takes_no_new_finalizer,
        a_going_object_may_be_changed_otherwise,
        the_deletion_of_a_custom_resource_is_a_generation,
        preconditions_must_hold,
        a_dry_run_deletes_nothing,
        options_in_the_body_stand_for_those_of_the_query,
        a_pod_without_a_node_goes_at_once,
        a_pod_on_a_node_waits_for_its_kubelet,
        the_grace_of_a_going_pod_only_shrinks,
        no_grace_ends_a_pod_at_once,
        a_pod_with_a_finalizer_stays_after_its_kubelet_is_done,
        the_foreground_policy_is_a_finalizer,
        the_orphan_policy_is_a_finalizer,
        a_policy_that_does_not_exist_is_invalid,
        a_collection_is_deleted_by_selector;
    custom:
        a_definition_is_established_and_says_its_names,
        a_definition_without_a_schema_is_invalid,
        a_definition_is_named_after_plural_and_group,
        defaults_are_filled_in_where_the_parent_is_there,
        a_null_gets_the_default_unless_it_is_allowed,
        what_the_schema_does_not_know_is_pruned,
        unknown_fields_stay_where_the_schema_says_so,
        what_is_required_must_be_there,
        types_are_checked,
        an_enum_names_what_is_supported,
        numbers_stay_in_their_range,
        texts_and_lists_stay_in_their_length_and_pattern,
        a_patch_is_checked_like_a_new_object,
        an_apply_is_checked_like_a_new_object,
        a_version_that_is_not_served_is_not_found,
        a_definition_takes_its_objects_along,
        discovery_knows_a_defined_kind;
    schemas:
        limits_may_be_excluded_and_numbers_multiples,
        objects_have_as_many_properties_as_they_may,
        texts_have_the_format_that_is_known_and_any_other,
        nothing_is_in_a_set_or_a_map_twice,
        alternatives_are_held_against_an_object,
        a_cause_says_what_kind_of_error_it_is,
        a_definition_does_not_ask_for_unique_items;
    rules:
        a_rule_is_held_against_a_new_object,
        a_rule_sees_what_a_default_filled_in,
        a_rule_is_held_against_every_way_to_change_an_object,
        a_rule_about_a_change_is_about_changes_only,
        a_rule_of_the_whole_object_is_held_against_its_status_too,
        a_rule_that_cannot_be_read_is_refused_with_its_definition;
    built_in:
        a_pod_gets_its_defaults,
        an_image_without_a_version_is_always_pulled,
        a_pod_needs_a_container,
        containers_of_a_pod_have_different_names,
        a_mount_needs_its_volume,
        a_secret_keeps_its_plain_texts_encoded,
        a_secret_that_is_not_base64_is_a_bad_request,
        a_service_gets_an_address,
        a_job_gets_a_selector_of_its_own,
        a_jobs_pods_may_not_always_restart,
        a_jobs_template_is_settled,
        a_nodes_status_is_its_kubelets,
        a_new_namespace_is_active,
        a_lease_is_a_compare_and_swap,
        an_event_is_about_an_object,
        a_configmap_has_no_generation,
        a_pod_tolerates_the_absence_of_its_node_for_five_minutes,
        what_a_pod_says_of_its_nodes_absence_stands,
        a_new_node_takes_no_pods_yet;
    owners:
        an_owner_wants_one_pod_unless_it_says_so,
        a_stateful_sets_pods_come_in_order_unless_it_says_so,
        a_deployment_rolls_unless_it_says_so,
        an_owners_selector_matches_its_template,
        an_owners_pods_always_restart,
        a_deployment_needs_a_container,
        an_owners_selector_is_settled,
        an_owner_may_be_scaled_and_that_is_a_generation,
        the_status_of_an_owner_is_its_controllers;
    subresources:
        a_binding_puts_a_pod_on_a_node_once,
        a_binding_is_of_a_pod_that_is_there_and_stays,
        an_eviction_deletes_a_pod_with_its_grace,
        an_eviction_names_the_pod_of_its_path,
        a_scale_says_how_many_pods_an_owner_wants,
        a_scale_is_replaced_and_patched,
        a_scale_is_not_below_nothing_and_not_of_nothing;
    discovery:
        the_server_says_its_version,
        the_server_says_when_it_is_ready,
        the_core_group_has_its_versions,
        the_other_groups_are_listed_with_what_they_prefer,
        resources_are_listed_with_their_verbs,
        one_may_ask_what_one_may_do,
        a_path_that_leads_nowhere_is_not_found;
}
