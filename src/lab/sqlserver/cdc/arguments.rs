//! Arguments of the procedures: by name or by place, converted to what the parameter declares.

use crate::lab::sqlserver::engine::catalog::same_name;
use crate::lab::sqlserver::engine::extension::Argument;
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::Datum;

/// The arguments of one call, checked against the names that the procedure declares.
pub struct Arguments<'a> {
    procedure: &'static str,
    names: &'static [&'static str],
    values: Vec<Option<&'a Argument>>,
}

impl<'a> Arguments<'a> {
    /// 8145 for a name that is not declared, 8144 for too many.
    pub fn new(procedure: &'static str, names: &'static [&'static str], given: &'a [Argument]) -> Result<Self, Message> {
        let mut values = vec![None; names.len()];
        for (at, argument) in given.iter().enumerate() {
            let at = if argument.name.is_empty() {
                if at >= names.len() {
                    return Err(Message::error(8144, format!("Procedure or function {procedure} has too many arguments specified.")));
                }
                at
            } else {
                names
                    .iter()
                    .position(|name| same_name(name, &argument.name))
                    .ok_or_else(|| Message::error(8145, format!("{} is not a parameter for procedure {procedure}.", argument.name)))?
            };
            values[at] = Some(argument);
        }
        Ok(Self { procedure, names, values })
    }

    fn given(&self, name: &str) -> Option<&'a Argument> {
        let at = self.names.iter().position(|known| *known == name)?;
        self.values.get(at).copied().flatten()
    }

    /// 201 when the call does not have it. NULL counts as given.
    pub fn require(&self, name: &str) -> Result<(), Message> {
        match self.given(name) {
            Some(_) => Ok(()),
            None => Err(Message::error(
                201,
                format!("Procedure or function '{}' expects parameter '{name}', which was not supplied.", self.procedure),
            )),
        }
    }

    /// Whether the call has it with a value that is not NULL.
    pub fn has(&self, name: &str) -> bool {
        self.given(name).is_some_and(|argument| argument.value != Datum::Null)
    }

    fn wrong_type(&self, name: &str) -> Message {
        let given = self.given(name).map_or_else(String::new, |argument| format!("{:?}", argument.data_type));
        Message::error(8114, format!("Error converting data type {} to the type of {name}.", given.to_lowercase()))
    }

    /// `None` for NULL and for what the call leaves out.
    pub fn text(&self, name: &str) -> Result<Option<String>, Message> {
        match self.given(name).map(|argument| &argument.value) {
            None | Some(Datum::Null) => Ok(None),
            Some(Datum::Text(units)) => Ok(Some(String::from_utf16_lossy(units))),
            Some(Datum::Int(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(self.wrong_type(name)),
        }
    }

    /// A number, also written as text; a bit as 0 or 1.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Message> {
        match self.given(name).map(|argument| &argument.value) {
            None | Some(Datum::Null) => Ok(None),
            Some(Datum::Int(number)) => Ok(Some(*number)),
            Some(Datum::Bit(bit)) => Ok(Some(i64::from(*bit))),
            Some(Datum::Decimal { unscaled, scale: 0 }) => i64::try_from(*unscaled).map(Some).map_err(|_| self.wrong_type(name)),
            Some(Datum::Text(units)) => String::from_utf16_lossy(units).trim().parse().map(Some).map_err(|_| self.wrong_type(name)),
            Some(_) => Err(self.wrong_type(name)),
        }
    }

    pub fn bit(&self, name: &str) -> Result<Option<bool>, Message> {
        Ok(self.number(name)?.map(|number| number != 0))
    }

    /// A binary(10): shorter values are padded on the right, longer ones cut, as SQL Server does.
    pub fn lsn(&self, name: &str) -> Result<Option<[u8; 10]>, Message> {
        match self.given(name).map(|argument| &argument.value) {
            None | Some(Datum::Null) => Ok(None),
            Some(Datum::Bytes(bytes)) => Ok(Some(binary10(bytes))),
            Some(_) => Err(self.wrong_type(name)),
        }
    }
}

/// Conversion to binary(10).
#[must_use]
pub fn binary10(bytes: &[u8]) -> [u8; 10] {
    let mut fixed = [0; 10];
    let length = bytes.len().min(10);
    fixed[..length].copy_from_slice(&bytes[..length]);
    fixed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::sqlserver::types::DataType;

    const NAMES: &[&str] = &["@a", "@b"];

    fn argument(name: &str, value: Datum) -> Argument {
        Argument { name: name.into(), data_type: DataType::Int, value, output: false }
    }

    #[test]
    fn by_name_or_by_place_and_nothing_else() {
        let given = [argument("", Datum::Int(1)), argument("@B", Datum::Null)];
        let arguments = Arguments::new("p", NAMES, &given).unwrap();
        assert_eq!((arguments.number("@a").unwrap(), arguments.number("@b").unwrap()), (Some(1), None));
        assert!(arguments.require("@b").is_ok() && !arguments.has("@b"));
        assert_eq!(Arguments::new("p", NAMES, &[]).unwrap().require("@a").unwrap_err().number, 201);
        assert_eq!(Arguments::new("p", NAMES, &[argument("@c", Datum::Null)]).err().unwrap().number, 8145);
    }
}
