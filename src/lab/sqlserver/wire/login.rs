//! LOGIN7 (MS-TDS 2.2.6.4).

use super::bytes::{Malformed, Reader, utf16_units};
use super::packet::{DEFAULT_PACKET_SIZE, PACKET_SIZES};

/// The versions of the protocol that the lab serves, as LOGIN7 writes them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Version(pub u32);

impl Version {
    /// SQL Server 2005: the first with ALL_HEADERS, PLP and long row counts.
    pub(super) const V7_2: Self = Self(0x7209_0002);
    /// SQL Server 2008: date, time, datetime2 and datetimeoffset.
    pub(super) const V7_3: Self = Self(0x730A_0003);
    /// SQL Server 2008 R2: NBCROW.
    pub(super) const V7_3B: Self = Self(0x730B_0003);
    /// SQL Server 2012 and later.
    pub(super) const V7_4: Self = Self(0x7400_0004);

    /// What the server answers: the client's version, or ours when the client knows a newer one.
    pub(super) fn negotiated(self) -> Option<Self> {
        (self >= Self::V7_2).then(|| self.min(Self::V7_4))
    }

    pub(super) fn has_new_times(self) -> bool {
        self >= Self::V7_3
    }

    pub(super) fn has_null_bitmap_rows(self) -> bool {
        self >= Self::V7_3B
    }
}

/// What the client said about itself. Holds the password: no `Debug`.
pub(super) struct Login {
    pub version: Version,
    pub packet_size: usize,
    pub user: String,
    pub password: String,
    pub application: String,
    pub database: String,
    /// The client wants Windows authentication.
    pub integrated: bool,
}

const OFFSET_USER: usize = 40;
const OFFSET_PASSWORD: usize = 44;
const OFFSET_APPLICATION: usize = 48;
const OFFSET_DATABASE: usize = 68;
const FLAG_INTEGRATED: u8 = 0x80;

impl Login {
    pub(super) fn read(message: &[u8]) -> Result<Self, Malformed> {
        let mut fixed = Reader::new(message);
        fixed.take(4)?;
        let version = Version(fixed.u32()?);
        let asked = fixed.length()?;
        let flags = *message.get(25).ok_or(Malformed)?;
        // Zero leaves the choice to the server.
        let packet_size = if asked == 0 { DEFAULT_PACKET_SIZE } else { asked.clamp(*PACKET_SIZES.start(), *PACKET_SIZES.end()) };
        let text = |at| Ok(String::from_utf16_lossy(&utf16_units(field(message, at)?)));
        let password: Vec<u8> = field(message, OFFSET_PASSWORD)?.iter().map(|byte| (byte ^ 0xA5).rotate_left(4)).collect();
        Ok(Self {
            version,
            packet_size,
            user: text(OFFSET_USER)?,
            password: String::from_utf16_lossy(&utf16_units(&password)),
            application: text(OFFSET_APPLICATION)?,
            database: text(OFFSET_DATABASE)?,
            integrated: flags & FLAG_INTEGRATED != 0,
        })
    }
}

/// A variable field: its offset and its length in units stand at `at`.
fn field(message: &[u8], at: usize) -> Result<&[u8], Malformed> {
    let mut place = Reader::new(message.get(at..).ok_or(Malformed)?);
    let offset = usize::from(place.u16()?);
    let units = usize::from(place.u16()?);
    message.get(offset..offset + units * 2).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A LOGIN7 of the fixed part and the four texts that the lab reads.
    fn login7(texts: [(usize, &str); 4]) -> Vec<u8> {
        let mut message = vec![0; 94];
        message[4..8].copy_from_slice(&0x7400_0004_u32.to_le_bytes());
        message[8..12].copy_from_slice(&8192_u32.to_le_bytes());
        for (at, text) in texts {
            let offset = u16::try_from(message.len()).unwrap();
            let units: Vec<u16> = text.encode_utf16().collect();
            message[at..at + 2].copy_from_slice(&offset.to_le_bytes());
            message[at + 2..at + 4].copy_from_slice(&u16::try_from(units.len()).unwrap().to_le_bytes());
            for byte in units.iter().flat_map(|unit| unit.to_le_bytes()) {
                message.push(if at == OFFSET_PASSWORD { byte.rotate_left(4) ^ 0xA5 } else { byte });
            }
        }
        message
    }

    #[test]
    fn reads_who_and_where() {
        let message =
            login7([(OFFSET_USER, "reader"), (OFFSET_PASSWORD, "pä$$"), (OFFSET_APPLICATION, "probe"), (OFFSET_DATABASE, "Shop")]);
        let login = Login::read(&message).unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("reader", "pä$$"));
        assert_eq!((login.application.as_str(), login.database.as_str()), ("probe", "Shop"));
        assert_eq!((login.version, login.packet_size, login.integrated), (Version::V7_4, 8192, false));
    }

    #[test]
    fn a_field_outside_the_message_is_malformed() {
        let mut message = login7([(OFFSET_USER, "a"), (OFFSET_PASSWORD, "b"), (OFFSET_APPLICATION, "c"), (OFFSET_DATABASE, "d")]);
        message.pop();
        assert!(Login::read(&message).is_err());
        assert!(Login::read(&message[..20]).is_err());
    }

    #[test]
    fn versions_before_seven_two_are_not_served() {
        assert_eq!(Version(0x7100_0001).negotiated(), None);
        assert_eq!(Version(0x7209_0002).negotiated(), Some(Version::V7_2));
        assert_eq!(Version(0x730B_0003).negotiated(), Some(Version::V7_3B));
        assert_eq!(Version(0x0800_0000).negotiated(), None);
        assert_eq!(Version(0x7400_0005).negotiated(), Some(Version::V7_4));
    }
}
