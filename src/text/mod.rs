//! What scripts would be slow or clumsy at: finding numbers, amounts, places and days in a sentence, and writing
//! them in a language. All of it is pure: text in, values out.
//!
//! [`words`] parts a sentence; [`number`] reads digits and number words; [`quantity`], [`money`], [`date`], [`place`]
//! and [`postcode`] find what their names say; [`parcel`] knows the parcel numbers of the carriers, [`card`] those of
//! payment cards; [`span`] finds how long something takes, [`status`] what is said
//! of where a parcel is.

pub mod card;
pub mod date;
pub mod money;
pub mod number;
pub mod parcel;
pub mod place;
pub mod postcode;
pub mod quantity;
pub mod span;
mod stated;
pub mod status;
pub mod words;
