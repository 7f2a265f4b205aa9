//! The deserializer of a mapping's key. Keys are strings; where a type wants a number (a port), the digits will do.

use serde::de::{Error as _, Visitor};

use super::fault::Fault;

/// One key.
pub(super) struct KeyShape<'s> {
    pub(super) text: &'s str,
}

impl<'s> KeyShape<'s> {
    fn number<V: Visitor<'s>>(&self, visitor: V) -> Result<V::Value, Fault> {
        match self.text.parse() {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => Err(Fault::custom(format!("expected a number as the key, found {:?}", self.text))),
        }
    }
}

impl<'s> serde::Deserializer<'s> for KeyShape<'s> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_borrowed_str(self.text)
    }

    fn deserialize_u16<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_u32<V: Visitor<'s>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'s>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'s>> bool i8 i16 i32 i64 i128 u8 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
