//! Pictures: from the file that came to plain pixels, and from these to a new file. Nothing else gets across.

use std::io::Cursor;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Unfit;
use crate::conversation::Media;

/// More pixels than the cameras of phones make: a small file can claim any number.
const MOST_PIXELS: u64 = 50_000_000;
/// The longest side, as JPEG has it.
const LONGEST_SIDE: u32 = 65_000;
/// A picture with sharp edges that takes more than this is kept as a photo.
const LARGEST_SHARP: usize = 1024 * 1024;
/// Of a photo: what is lost at this quality nobody sees.
const QUALITY: u8 = 85;

/// How a picture is written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Jpeg,
    /// With every pixel as it was, unless that takes too much.
    Sharp,
}

/// Red, green and blue of each pixel, row by row, upright.
#[derive(Debug)]
pub(super) struct Picture {
    pub width: u32,
    pub height: u32,
    pixels: Vec<u8>,
    /// As EXIF numbers it, from 1 to 8.
    orientation: u8,
}

impl Picture {
    pub fn of_jpeg(file: &[u8]) -> Result<Picture, Unfit> {
        let longest = LONGEST_SIDE as usize;
        let options = DecoderOptions::default().set_max_width(longest).set_max_height(longest);
        let options = options.jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
        decoder.decode_headers().map_err(|_| Unfit::Broken)?;
        let (width, height) = decoder.dimensions().ok_or(Unfit::Broken)?;
        let (width, height) = sized(width.try_into().ok(), height.try_into().ok())?;
        let orientation = decoder.exif().map_or(1, |exif| orientation(exif));
        let pixels = decoder.decode().map_err(|_| Unfit::Broken)?;
        Picture::new(width, height, pixels, orientation)
    }

    pub fn of_png(file: &[u8]) -> Result<Picture, Unfit> {
        let mut decoder = png::Decoder::new(Cursor::new(file));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        // Before anything is made for that many pixels.
        let head = decoder.read_header_info().map_err(|_| Unfit::Broken)?;
        let (width, height) = sized(Some(head.width), Some(head.height))?;
        let mut reader = decoder.read_info().map_err(|_| Unfit::Broken)?;
        let mut read = vec![0; reader.output_buffer_size().ok_or(Unfit::TooManyPixels)?];
        let frame = reader.next_frame(&mut read).map_err(|_| Unfit::Broken)?;
        read.truncate(frame.buffer_size());
        let pixels = match frame.color_type {
            png::ColorType::Rgb => read,
            png::ColorType::Rgba => without_alpha(read),
            png::ColorType::Grayscale => read.iter().flat_map(|&gray| [gray; 3]).collect(),
            png::ColorType::GrayscaleAlpha => read.chunks_exact(2).flat_map(|p| on_white([p[0]; 3], p[1])).collect(),
            png::ColorType::Indexed => return Err(Unfit::Broken),
        };
        Picture::new(width, height, pixels, 1)
    }

    pub fn of_webp(file: &[u8]) -> Result<Picture, Unfit> {
        let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file)).map_err(|_| Unfit::Broken)?;
        let (width, height) = decoder.dimensions();
        let (width, height) = sized(Some(width), Some(height))?;
        let mut read = vec![0; decoder.output_buffer_size().ok_or(Unfit::TooManyPixels)?];
        decoder.read_image(&mut read).map_err(|_| Unfit::Broken)?;
        let pixels = match decoder.has_alpha() {
            true => without_alpha(read),
            false => read,
        };
        Picture::new(width, height, pixels, 1)
    }

    fn new(width: u32, height: u32, pixels: Vec<u8>, orientation: u8) -> Result<Picture, Unfit> {
        match pixels.len() as u64 == u64::from(width) * u64::from(height) * 3 {
            true => Ok(Picture { width, height, pixels, orientation }),
            false => Err(Unfit::Broken),
        }
    }

    /// The same upright, with no side longer than `longest`. A smaller picture stays as it is.
    pub fn within(self, longest: u32) -> Picture {
        let side = self.width.max(self.height);
        let to = |length: u32| match side > longest {
            true => {
                u32::try_from((u64::from(length) * u64::from(longest)).div_ceil(u64::from(side))).unwrap_or(1).max(1)
            }
            false => length,
        };
        let (width, height) = (to(self.width), to(self.height));
        let pixels = match (width, height) == (self.width, self.height) {
            true => self.pixels,
            false => {
                shrunk(&self.pixels, (self.width as usize, self.height as usize), (width as usize, height as usize))
            }
        };
        Picture { width, height, pixels, orientation: self.orientation }.upright()
    }

    /// Turned and mirrored as its camera was held.
    fn upright(self) -> Picture {
        if self.orientation == 1 {
            return self;
        }
        let Picture { width, height, pixels, orientation } = self;
        let (w, h) = (width as usize, height as usize);
        let turned = orientation >= 5;
        let (to_w, to_h) = if turned { (h, w) } else { (w, h) };
        let mut upright = Vec::with_capacity(pixels.len());
        for y in 0..to_h {
            for x in 0..to_w {
                let (from_x, from_y) = match orientation {
                    2 => (w - 1 - x, y),
                    3 => (w - 1 - x, h - 1 - y),
                    4 => (x, h - 1 - y),
                    5 => (y, x),
                    6 => (y, h - 1 - x),
                    7 => (w - 1 - y, h - 1 - x),
                    8 => (w - 1 - y, x),
                    _ => (x, y),
                };
                let at = (from_y * w + from_x) * 3;
                upright.extend_from_slice(&pixels[at..at + 3]);
            }
        }
        let (width, height) = if turned { (height, width) } else { (width, height) };
        Picture { width, height, pixels: upright, orientation: 1 }
    }

    /// The picture as a file.
    pub fn written(&self, wanted: Wanted) -> Result<(Media, Vec<u8>), Unfit> {
        if wanted == Wanted::Sharp {
            let sharp = self.as_png()?;
            if sharp.len() <= LARGEST_SHARP {
                return Ok((Media::Png, sharp));
            }
        }
        Ok((Media::Jpeg, self.as_jpeg()?))
    }

    fn as_png(&self) -> Result<Vec<u8>, Unfit> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(|_| Unfit::Broken)?;
        writer.write_image_data(&self.pixels).map_err(|_| Unfit::Broken)?;
        writer.finish().map_err(|_| Unfit::Broken)?;
        Ok(file)
    }

    fn as_jpeg(&self) -> Result<Vec<u8>, Unfit> {
        let mut file = Vec::new();
        let side = |length: u32| u16::try_from(length).map_err(|_| Unfit::TooManyPixels);
        let encoder = jpeg_encoder::Encoder::new(&mut file, QUALITY);
        let (width, height) = (side(self.width)?, side(self.height)?);
        encoder.encode(&self.pixels, width, height, jpeg_encoder::ColorType::Rgb).map_err(|_| Unfit::Broken)?;
        Ok(file)
    }
}

fn sized(width: Option<u32>, height: Option<u32>) -> Result<(u32, u32), Unfit> {
    match (width, height) {
        (Some(0), _) | (_, Some(0)) => Err(Unfit::Broken),
        (Some(width), Some(height))
            if width <= LONGEST_SIDE
                && height <= LONGEST_SIDE
                && u64::from(width) * u64::from(height) <= MOST_PIXELS =>
        {
            Ok((width, height))
        }
        _ => Err(Unfit::TooManyPixels),
    }
}

/// Pixels of four bytes as they look on white paper, in the memory that they have: they may be fifty million.
fn without_alpha(mut pixels: Vec<u8>) -> Vec<u8> {
    let count = pixels.len() / 4;
    for at in 0..count {
        let colour = [pixels[at * 4], pixels[at * 4 + 1], pixels[at * 4 + 2]];
        let colour = on_white(colour, pixels[at * 4 + 3]);
        pixels[at * 3..at * 3 + 3].copy_from_slice(&colour);
    }
    pixels.truncate(count * 3);
    pixels
}

/// A colour as it looks on white paper.
fn on_white(colour: [u8; 3], alpha: u8) -> [u8; 3] {
    let alpha = u32::from(alpha);
    colour.map(|c| u8::try_from((u32::from(c) * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX))
}

/// A smaller picture: each of its pixels is the mean of those that lie below it.
fn shrunk(from: &[u8], (w, h): (usize, usize), (to_w, to_h): (usize, usize)) -> Vec<u8> {
    let (columns, rows) = (shares(w, to_w), shares(h, to_h));
    let mut to = Vec::with_capacity(to_w * to_h * 3);
    let mut sums = vec![0.0_f32; to_w * 3];
    for (first, weights) in &rows {
        sums.fill(0.0);
        for (row, weight) in from.chunks_exact(w * 3).skip(*first).zip(weights) {
            for ((first, shares), sum) in columns.iter().zip(sums.chunks_exact_mut(3)) {
                for (pixel, share) in row[first * 3..].chunks_exact(3).zip(shares) {
                    for (sum, &colour) in sum.iter_mut().zip(pixel) {
                        *sum += f32::from(colour) * share * weight;
                    }
                }
            }
        }
        // A mean of bytes is within their range.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        to.extend(sums.iter().map(|sum| sum.round() as u8));
    }
    to
}

/// For each of `to` places: the first of `from` places that lies below it, and how much of it and the next ones does.
/// Together they are 1.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // up to 65,000
fn shares(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let wide = from as f32 / to as f32;
    let place = |at: usize| {
        let (begin, end) = (at as f32 * wide, ((at + 1) as f32 * wide).min(from as f32));
        let (first, last) = ((begin as usize).min(from - 1), (end.ceil() as usize).clamp(1, from));
        let share = |at: usize| ((end.min((at + 1) as f32) - begin.max(at as f32)) / (end - begin)).max(0.0);
        (first, (first..last.max(first + 1)).map(share).collect())
    };
    (0..to).map(place).collect()
}

/// How the camera was held, from a block of EXIF: a TIFF whose first directory may say so.
fn orientation(exif: &[u8]) -> u8 {
    fn read(exif: &[u8]) -> Option<u8> {
        let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
        let little = match tiff.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let short = |at: usize| -> Option<u16> {
            let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
            Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
        };
        let long = |at: usize| -> Option<usize> {
            let bytes = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
            usize::try_from(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }).ok()
        };
        let directory = long(4)?;
        let entries = usize::from(short(directory)?);
        let entry = (0..entries).map(|at| directory + 2 + at * 12).find(|at| short(*at) == Some(0x0112))?;
        u8::try_from(short(entry + 8)?).ok().filter(|value| (1..=8).contains(value))
    }
    read(exif).unwrap_or(1)
}
