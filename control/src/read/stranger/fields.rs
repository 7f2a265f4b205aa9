//! The names of a type's fields. Each type tells them to its deserializer, so that no list has to be kept beside it.

use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};

/// What a mapping may have that is to become a `T`.
pub(super) fn of<T: DeserializeOwned>() -> &'static [&'static str] {
    T::deserialize(Asking).err().map_or(&[], |told| told.0)
}

/// Has nothing to give, and hears what is asked for.
struct Asking;

#[derive(Debug, thiserror::Error)]
#[error("the fields were asked for, and no value")]
struct Told(&'static [&'static str]);

impl Error for Told {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Asking {
    type Error = Told;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Told> {
        Err(Told(fields))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Told> {
        Err(Told(&[]))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
