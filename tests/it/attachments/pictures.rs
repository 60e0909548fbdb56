//! Files for the tests, made by the same libraries that cameras' pictures are read with.

use jpeg_encoder::{ColorType, Encoder};

/// Where a picture was taken: this must not get across.
pub const PLACE: &str = "51 deg 30 min North";

fn pixels(width: u32, height: u32) -> Vec<u8> {
    // The first quarter is red, the rest changes from place to place.
    let pixel = |at: u32| match (at % width * 2 < width, at / width * 2 < height) {
        (true, true) => [220, 20, 20],
        _ => [20, (at % width % 200) as u8, 200],
    };
    (0..width * height).flat_map(pixel).collect()
}

pub fn png(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.add_text_chunk("Comment".to_owned(), PLACE.to_owned()).expect("a chunk");
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&pixels(width, height)).expect("pixels");
    writer.finish().expect("an end");
    file
}

pub fn jpeg(width: u16, height: u16) -> Vec<u8> {
    with_exif(width, height, 1)
}

/// A photo that says how its camera was held, and where.
pub fn with_exif(width: u16, height: u16, orientation: u16) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02".to_vec();
    exif.extend([&[0x01, 0x12, 0, 3, 0, 0, 0, 1][..], &orientation.to_be_bytes(), &[0, 0]].concat());
    exif.extend([0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38]);
    exif.extend([0; 4]);
    exif.extend(PLACE.bytes());
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 90);
    encoder.add_app_segment(1, exif).expect("a segment");
    encoder.encode(&pixels(width.into(), height.into()), width, height, ColorType::Rgb).expect("a picture");
    file
}

/// The size of a JPEG and whether each of its corners is red, from the top left one round.
pub fn seen(file: &[u8]) -> ((usize, usize), [bool; 4]) {
    let mut decoder = zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(file));
    let pixels = decoder.decode().expect("a picture");
    let (width, height) = decoder.dimensions().expect("a size");
    let red = |x: usize, y: usize| {
        let at = (y * width + x) * 3;
        pixels[at] > 150 && pixels[at + 2] < 100
    };
    let (right, bottom) = (width - 1, height - 1);
    ((width, height), [red(0, 0), red(right, 0), red(right, bottom), red(0, bottom)])
}
