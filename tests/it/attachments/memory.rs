//! What the largest pictures that are taken cost in memory. It takes minutes without optimisation, so it is run by its name:
//! `cargo test --test it attachments::memory -- --ignored --nocapture`.

use image_webp::{ColorType, WebPEncoder};
use serde_json::json;
use uuid::Uuid;

use crate::cli::{Served, Site};
use crate::harness::{Visitor, http_client};

/// As large as a picture may be: 50 million pixels.
const SIDES: (u16, u16) = (8_000, 6_250);
/// No picture may make the process grow by more than this, in MiB.
const MOST: u64 = 450;

/// Writes a PNG of one colour: width, height, type of colour, bits of a channel, interlaced, frames.
const PNG: &str = "
import struct, sys, zlib
width, height, kind, depth, interlaced, frames = map(int, sys.argv[1:])
bits = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind] * depth
passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
packer, packed = zlib.compressobj(1), []
for x, y, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
    wide, rows = -(-(width - x) // dx), -(-(height - y) // dy)
    row = bytes(1 + -(-wide * bits // 8))
    packed += [packer.compress(row) for _ in range(rows)]
packed.append(packer.flush())
def chunk(name, data):
    return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
out = b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, kind, 0, 0, interlaced))
out += chunk(b'acTL', struct.pack('>II', frames, 0)) if frames else b''
out += chunk(b'PLTE', bytes(3)) + chunk(b'tRNS', bytes(1)) if kind == 3 else b''
sys.stdout.buffer.write(out + chunk(b'IDAT', b''.join(packed)) + chunk(b'IEND', b''))
";

fn png((width, height): (u16, u16), kind: u8, depth: u8, interlaced: bool, frames: u32) -> Vec<u8> {
    let numbers = [width.into(), height.into(), kind.into(), depth.into(), interlaced.into(), frames];
    let made =
        std::process::Command::new("python3").args(["-c", PNG]).args(numbers.map(|n: u32| n.to_string())).output();
    let made = made.expect("Python");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

fn jpeg(progressive: bool) -> Vec<u8> {
    let (width, height) = SIDES;
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 60);
    encoder.set_progressive(progressive);
    let pixels = vec![90; usize::from(width) * usize::from(height) * 3];
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).expect("a picture");
    file
}

fn webp() -> Vec<u8> {
    let (width, height) = SIDES;
    let mut file = Vec::new();
    let pixels = vec![90; usize::from(width) * usize::from(height) * 4];
    let encoder = WebPEncoder::new(&mut file);
    encoder.encode(&pixels, width.into(), height.into(), ColorType::Rgba8).expect("a picture");
    file
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn the_largest_pictures_cost_what_is_said_of_them() {
    let site = Site::starter();
    let visitor = Visitor::new();
    for (name, file, expected) in [
        ("PNG of 12,000 × 9,000", png((12_000, 9_000), 2, 8, false, 0), "too_many_pixels"),
        ("PNG", png(SIDES, 2, 8, false, 0), ""),
        ("PNG, transparent", png(SIDES, 6, 8, false, 0), ""),
        ("PNG, transparent, 16 bits", png(SIDES, 6, 16, false, 0), ""),
        ("PNG, transparent, interlaced", png(SIDES, 6, 8, true, 0), ""),
        ("PNG, interlaced, 16 bits", png(SIDES, 6, 16, true, 0), ""),
        ("PNG of one bit, interlaced", png(SIDES, 0, 1, true, 0), ""),
        ("PNG with a palette", png(SIDES, 3, 1, false, 0), ""),
        ("PNG, a thousand frames", png(SIDES, 6, 8, false, 1_000), ""),
        ("WebP, transparent", webp(), ""),
        ("JPEG", jpeg(false), ""),
        ("JPEG, progressive", jpeg(true), ""),
    ] {
        let bytes = file.len();
        // What one has left in the allocator's hands would be the next one's for nothing.
        let purser = Served::start_with(&site, &["--limits", "off"]);
        purser.forget_peak();
        let before = purser.peak();
        let url = format!("http://{}/api/chat/attachments?client_id={}", purser.address(), Uuid::new_v4().simple());
        let began = std::time::Instant::now();
        // In a build for debugging the slowest takes minutes.
        let response = http_client().post(url).bearer_auth(&visitor.token).body(file).send().await.expect("an answer");
        let told: serde_json::Value = serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON");
        let code = told.get("code").cloned().unwrap_or(json!(""));
        let grown = purser.peak().saturating_sub(before) / 1_024;
        println!("{name}: {} KB, {grown} MiB, {:.1} s {code}", bytes / 1_000, began.elapsed().as_secs_f64());
        assert!(code == expected && grown < MOST, "{name}: {grown} MiB, {told}");
        assert_eq!(purser.stop(), 0);
    }
}
