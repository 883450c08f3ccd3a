use std::io::Write as _;

use ms2m::registry::report::{ImageDeletion, TransferReport};
use tokio::process::Command;

use crate::command::Node;

const VARIABLE: &str = "MS2M_TEST_REGISTRY_URL";

/// Pushes to a real registry and deletes again, by digest and by tag. The registry must allow deletion; plain HTTP is
/// for one on this machine.
#[tokio::test]
async fn push_and_delete() {
    let Ok(url) = std::env::var(VARIABLE) else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped real_registry::push_and_delete: {VARIABLE} is not set (such as http://localhost:5000)"
        );
        return;
    };
    let (plain, host) = match url.split_once("://") {
        Some(("http", host)) => (&["--plain-http"][..], host),
        Some((_, host)) => (&[][..], host),
        None => (&[][..], url.as_str()),
    };
    let node = Node::with_archive();
    let image = format!("{}/ms2m-test/checkpoints:real", host.trim_end_matches('/'));
    for by_tag in [false, true] {
        let mut push = node.transfer(&["--container", "counter", "--image", &image]);
        push.arg("--archive").arg(node.archive()).args(plain);
        let pushed = match node.run(push).await.report {
            TransferReport::Pushed(pushed) => pushed,
            other => panic!("{other:?}"),
        };
        assert_eq!(pushed.attempts, 1);
        let delete = || -> Command {
            let image = if by_tag { &image } else { &pushed.image };
            let mut command = node.transfer(&["--delete", "--image", image]);
            command.args(plain);
            command
        };
        for expected in [ImageDeletion::Deleted, ImageDeletion::AlreadyGone] {
            match node.run(delete()).await.report {
                TransferReport::Cleaned(cleaned) => assert_eq!(cleaned.image, Some(expected)),
                other => panic!("{other:?}"),
            }
        }
    }
}
