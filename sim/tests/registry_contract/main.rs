//! What whoever pushes, pulls and deletes images relies on in an OCI registry, as tests: the same against the simulated
//! registry and a real one.
//!
//! Where the two differ, the simulated one is wrong. The real one is that of `MS2M_TEST_REGISTRY_URL`
//! (scripts/with-registry.sh sets it), and has to allow deletion; without it, the real half says that it is skipped.
//!
//! The cases are written from the distribution specification 1.1 and from `distribution`, versions 2.8 and 3. Where those
//! differ, [`Rig::is_simulated`](rig::Rig::is_simulated) tells which of them the simulated registry follows:
//!
//! | what                                  | 2.8                      | 3                | simulated |
//! | ------------------------------------- | ------------------------ | ---------------- | --------- |
//! | `Content-Range` of a chunk            | is not looked at         | 416, 400         | 3         |
//! | `POST` of a whole blob                | starts a session         | takes it         | 3         |
//! | `DELETE` of a tag                     | 400 `DIGEST_INVALID`     | deletes the tag  | 2.8       |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[macro_use]
#[path = "../shared/contract.rs"]
mod contract;

mod broken;
mod deletion;
mod faults;
mod http_client;
mod manifests;
mod ping;
mod reading;
mod rig;
mod settings;
mod uploads;

contract! {
    ping:
        the_registry_says_which_version_of_the_protocol_it_speaks,
        what_no_path_is_about_is_not_found,
        a_name_with_capital_letters_is_no_repository,
        a_name_may_have_many_parts,
        a_method_that_a_path_does_not_serve_is_not_allowed,
        a_path_without_its_last_slash_is_redirected;
    uploads:
        an_upload_begins_with_a_session,
        a_session_takes_chunks_and_tells_what_it_has,
        every_chunk_changes_the_location,
        a_session_is_asked_what_it_has,
        a_session_may_take_the_whole_blob_with_its_digest,
        the_last_chunk_may_come_with_the_digest,
        a_blob_may_be_empty,
        a_location_without_its_query_is_good_for_nothing,
        a_location_is_good_for_one_chunk,
        a_stale_location_does_not_end_the_session,
        a_location_is_good_for_its_repository_only,
        sessions_are_told_apart,
        a_chunk_needs_no_range,
        a_chunk_out_of_order_is_refused,
        a_chunk_that_is_not_as_long_as_its_range_is_refused,
        a_chunk_of_another_content_type_is_refused,
        a_blob_is_not_finished_without_its_digest,
        another_digest_than_that_of_the_bytes_is_refused,
        an_upload_is_finished_once,
        an_upload_may_be_cancelled,
        a_blob_may_be_uploaded_twice,
        a_blob_may_be_mounted_from_another_repository,
        what_cannot_be_mounted_is_uploaded,
        a_post_with_a_digest_takes_the_blob_or_starts_a_session;
    broken:
        a_chunk_that_breaks_off_spoils_its_location,
        a_chunk_of_which_nothing_came_leaves_its_location_good,
        a_last_request_that_breaks_off_stores_no_blob,
        a_manifest_that_breaks_off_is_not_stored;
    manifests:
        a_manifest_is_stored_under_its_tag_and_its_digest,
        a_manifest_may_have_no_tag,
        a_manifest_whose_blobs_are_not_there_is_refused,
        blobs_of_another_repository_do_not_count,
        sizes_of_blobs_are_not_looked_at,
        a_manifest_under_another_digest_is_refused,
        what_is_no_json_is_no_manifest,
        a_manifest_comes_with_its_media_type,
        a_media_type_inside_has_to_be_that_outside,
        a_manifest_may_leave_its_media_type_out,
        an_oversized_manifest_is_refused,
        a_manifest_may_be_put_twice,
        a_tag_moves_to_another_manifest,
        an_index_needs_its_manifests,
        an_index_may_be_empty;
    reading:
        a_manifest_is_served_byte_for_byte,
        asking_for_the_head_of_a_manifest_tells_its_length_type_and_digest,
        a_client_that_does_not_accept_the_media_type_gets_nothing,
        a_media_type_may_be_accepted_among_others,
        a_manifest_that_is_not_there_is_unknown,
        a_blob_is_served_with_its_digest,
        asking_for_the_head_of_a_blob_tells_its_length_and_digest,
        a_blob_that_is_not_there_is_unknown,
        a_blob_is_in_its_repository_only,
        a_manifest_is_no_blob,
        what_is_no_digest_is_the_digest_of_nothing,
        tags_are_listed,
        a_repository_that_never_had_a_tag_has_no_list;
    deletion:
        a_manifest_is_deleted_with_its_tags,
        other_manifests_and_their_tags_stay,
        a_manifest_is_deleted_once,
        a_manifest_that_was_never_there_is_unknown,
        a_manifest_is_deleted_by_its_digest,
        a_deleted_manifest_may_be_put_again,
        a_blob_is_deleted,
        a_blob_is_deleted_once,
        a_blob_is_deleted_in_one_repository_only,
        a_deleted_blob_may_be_uploaded_again,
        a_manifest_of_a_deleted_blob_is_refused,
        a_manifest_stays_when_its_blobs_are_deleted,
        the_blobs_stay_when_their_manifest_is_deleted,
        a_manifest_is_not_deleted_as_a_blob,
        a_repository_whose_tags_are_gone_has_an_empty_list;
}
