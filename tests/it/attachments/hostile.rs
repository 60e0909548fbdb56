//! Files that want to be more than pictures.

use purser::attachments::Rules;
use serde_json::json;

use super::pictures::{PLACE, jpeg, png, seen, with_exif};
use super::{attach, fetch, in_folder, send, start};
use crate::harness::{Setup, TestDatabase, Visitor};

/// Whether these bytes stand in the file.
fn holds(file: &[u8], bytes: &str) -> bool {
    file.windows(bytes.len()).any(|window| window == bytes.as_bytes())
}

/// A PNG whose head says that it is so large.
fn claims(width: u32, height: u32) -> Vec<u8> {
    let mut file = png(8, 8);
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = file[12..29].iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 })
    });
    file[29..33].copy_from_slice(&(!sum).to_be_bytes());
    file
}

/// A JPEG whose frame says that it is so large.
fn claims_as_jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut file = jpeg(16, 16);
    let frame = file.windows(2).position(|window| window == [0xff, 0xc0]).expect("a frame");
    file[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    file[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_pictures_and_documents_are_taken() {
    let database = TestDatabase::sqlite();
    let (purser, folder) = start(&database).await;
    let visitor = Visitor::new();
    let cut = |mut file: Vec<u8>, length: usize| {
        file.truncate(length);
        file
    };
    let svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let html = "<!doctype html><script>alert(1)</script>";
    for (name, file, status, code) in [
        ("a.png", Vec::new(), 422, "empty"),
        ("a.svg", svg.into(), 415, "kind"),
        ("a.png", svg.into(), 415, "kind"),
        ("a.png", html.into(), 415, "kind"),
        ("a.jpg", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), 415, "kind"),
        ("a.png", b" %PDF-1.7".to_vec(), 415, "kind"),
        ("a.png", b"PK\x03\x04".to_vec(), 415, "kind"),
        ("a.png", cut(png(50, 50), 60), 422, "broken"),
        ("a.jpg", cut(jpeg(50, 50), 40), 422, "broken"),
        ("a.jpg", b"\xff\xd8\xff<script>alert(1)</script>".to_vec(), 422, "broken"),
        ("a.webp", b"RIFF\x10\0\0\0WEBPVP8 \0\0\0\0".to_vec(), 422, "broken"),
        ("a.png", claims(60_000, 60_000), 422, "too_many_pixels"),
        ("a.png", claims(u32::MAX >> 1, 1), 422, "too_many_pixels"),
        ("a.png", claims(0, 0), 422, "broken"),
        ("a.jpg", claims_as_jpeg(64_000, 64_000), 422, "too_many_pixels"),
        // More pixels than there is data for.
        ("a.png", claims(4_000, 4_000), 422, "broken"),
        ("a.pdf", [b"%PDF-".to_vec(), vec![b' '; 10 * 1024 * 1024]].concat(), 413, "too_large"),
    ] {
        let told = file.len();
        let (got, answer) = send(&purser, &visitor, "f1", name, file).await;
        assert_eq!((got, &answer["code"]), (status, &json!(code)), "{name} of {told} bytes: {answer}");
    }
    assert_eq!(super::files(&folder), 0);
    let (status, _) = send(&purser, &visitor, "re:1", "a.png", png(8, 8)).await;
    assert_eq!(status, 400);
    let stranger = Visitor { token: "short".to_owned(), ..Visitor::new() };
    assert_eq!(send(&purser, &stranger, "f1", "a.png", png(8, 8)).await.0, 400);
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_picture_gets_across_but_what_is_seen() {
    let database = TestDatabase::sqlite();
    let (purser, _) = start(&database).await;
    let visitor = Visitor::new();
    // Held on its side: the red corner belongs to the top right.
    let photo = with_exif(3_000, 1_500, 6);
    assert!(holds(&photo, PLACE) && seen(&photo).1[0]);
    let drawing = [png(64, 48), b"<script>alert(1)</script>".to_vec()].concat();
    assert!(holds(&drawing, PLACE));
    let (status, photo) = send(&purser, &visitor, "f1", "photo.jpg", photo).await;
    assert_eq!(status, 201, "{photo}");
    // Scaled down, and upright.
    assert_eq!((&photo["width"], &photo["height"]), (&json!(1_024), &json!(2_048)));
    let (status, drawing) = send(&purser, &visitor, "f2", "drawing.html", drawing).await;
    assert_eq!((status, &drawing["name"]), (201, &json!("drawing.png")));
    assert_eq!(attach(&purser, &visitor, "m1", &[&photo["id"], &drawing["id"]]).await.0, 200);
    let (_, _, file) = fetch(&purser, &visitor.token, &photo["id"]).await;
    assert!(!holds(&file, PLACE) && !holds(&file, "Exif"));
    assert_eq!(seen(&file), ((1_024, 2_048), [false, true, false, false]));
    let (_, headers, file) = fetch(&purser, &visitor.token, &drawing["id"]).await;
    assert_eq!(headers["content-type"], "image/png");
    assert!(!holds(&file, PLACE) && !holds(&file, "script"));
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_fills_the_disk() {
    let (database, folder) = (TestDatabase::sqlite(), tempfile::tempdir().expect("a folder"));
    let setup = Setup::on(&database).change(|config| {
        in_folder(config, folder.path());
        config.attachments.rules = Rules { per_conversation: 2, max_bytes: 4_000, ..Rules::default() };
    });
    let purser = setup.start().await;
    let visitor = Visitor::new();
    let (_, first) = send(&purser, &visitor, "f1", "a.png", png(8, 8)).await;
    assert_eq!(attach(&purser, &visitor, "m1", &[&first["id"]]).await.0, 200);
    assert_eq!(send(&purser, &visitor, "f2", "a.png", png(8, 8)).await.0, 201);
    let (status, answer) = send(&purser, &visitor, "f3", "a.png", png(8, 8)).await;
    assert_eq!((status, &answer["code"]), (409, &json!("too_many")));
    // The same once more is not one more.
    assert_eq!(send(&purser, &visitor, "f2", "a.png", png(8, 8)).await.0, 201);
    let (status, answer) =
        send(&purser, &Visitor::new(), "f1", "a.pdf", [&b"%PDF-"[..], &[b' '; 4_000]].concat()).await;
    assert_eq!((status, &answer["code"]), (413, &json!("too_large")));
    let many: Vec<_> = (0..11).map(|_| json!(uuid::Uuid::new_v4())).collect();
    let many: Vec<_> = many.iter().collect();
    assert_eq!(attach(&purser, &visitor, "m2", &many).await.0, 404);
    purser.stop().await;
}
