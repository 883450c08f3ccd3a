//! Which images transfer Jobs may run: as root, with a folder of the node that has the memory of every checkpointed process.

use super::settings::Settings;
use crate::{
    api::{TransferSpec, reason},
    protocol::Finding,
};

/// What is wrong with the image that a migration names. Whoever may create migrations is not to run anything of theirs on a node.
pub(super) fn check(transfer: &TransferSpec, settings: &Settings) -> Option<Finding> {
    let image = transfer.image.as_deref()?;
    if of(transfer, settings) == image {
        return None;
    }
    let message = format!(
        "spec.transfer.image names {image}, which this operator does not run: leave it out, or have the operator started with --permit-transfer-image"
    );
    Some(Finding { reason: reason::TRANSFER_IMAGE_NOT_PERMITTED, message })
}

/// What is run. The spec may have been changed since it was checked: an image that is not permitted is not run then either.
pub(super) fn of<'a>(transfer: &'a TransferSpec, settings: &'a Settings) -> &'a str {
    let is_permitted =
        |image: &&str| settings.permitted_transfer_images.iter().any(|permit| permits(permit, image));
    transfer.image.as_deref().filter(is_permitted).unwrap_or(&settings.transfer_image)
}

/// An image, or all that begin so: only up to the end of a name, because anybody can have a name that begins like another.
fn permits(permit: &str, image: &str) -> bool {
    permit == image || (permit.ends_with(['/', ':', '@']) && image.starts_with(permit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(image: Option<&str>, permitted: &[&str]) -> Option<&'static str> {
        let image = image.map(str::to_owned);
        let transfer = TransferSpec { repository: "r".into(), push_secret: None, image, ca_config_map: None };
        let permitted_transfer_images = permitted.iter().map(|&permit| permit.to_owned()).collect();
        let settings =
            Settings { transfer_image: "ours:1".into(), permitted_transfer_images, ..Settings::default() };
        let refused = check(&transfer, &settings).map(|finding| finding.reason);
        let wanted = transfer.image.as_deref().filter(|_| refused.is_none());
        assert_eq!(of(&transfer, &settings), wanted.unwrap_or("ours:1"));
        refused
    }

    #[test]
    fn a_migration_names_the_operators_image_or_one_that_it_permits() {
        let refusal = Some(reason::TRANSFER_IMAGE_NOT_PERMITTED);
        assert_eq!(refused(None, &[]), None);
        assert_eq!(refused(Some("ours:1"), &[]), None);
        assert_eq!(refused(Some("ours:2"), &[]), refusal);
        assert_eq!(refused(Some("ours:2"), &["ours:2"]), None);
        assert_eq!(refused(Some("ours:2"), &["ours:"]), None);
        assert_eq!(refused(Some("example.com/team/ms2m:3"), &["example.com/team/"]), None);
        assert_eq!(refused(Some("example.com/team/ms2m:3"), &["example.com/team"]), refusal, "no whole name");
    }
}
