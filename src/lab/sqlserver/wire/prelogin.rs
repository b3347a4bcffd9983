//! PRELOGIN: version and encryption (MS-TDS 2.2.6.5).

use super::bytes::{Malformed, Reader};

/// What the lab says it is: SQL Server 2022 (16.0.4135).
pub const PRODUCT_VERSION: [u8; 4] = [16, 0, 0x10, 0x27];

const VERSION: u8 = 0;
const ENCRYPTION: u8 = 1;
const INSTANCE: u8 = 2;
const THREAD: u8 = 3;
const MARS: u8 = 4;
const TERMINATOR: u8 = 0xFF;

const ENCRYPT_OFF: u8 = 0;
const ENCRYPT_ON: u8 = 1;
const ENCRYPT_NOT_SUPPORTED: u8 = 2;
const ENCRYPT_REQUIRED: u8 = 3;

/// What the two sides agreed on, with the byte that tells the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encryption {
    /// Nothing is encrypted.
    None,
    /// Only the LOGIN7 packet is.
    LoginOnly,
    /// Everything after PRELOGIN is.
    Full,
    /// One side demands what the other cannot: the client closes the connection.
    Impossible(u8),
}

impl Encryption {
    /// `client` is the ENCRYPTION byte of the client's PRELOGIN.
    pub(super) fn negotiate(client: u8, have_certificate: bool, required: bool) -> Self {
        match (client, have_certificate) {
            (ENCRYPT_ON | ENCRYPT_REQUIRED, true) => Self::Full,
            (ENCRYPT_OFF, true) if required => Self::Full,
            (ENCRYPT_OFF, true) => Self::LoginOnly,
            (ENCRYPT_NOT_SUPPORTED, true) if required => Self::Impossible(ENCRYPT_REQUIRED),
            (ENCRYPT_OFF | ENCRYPT_NOT_SUPPORTED, _) => Self::None,
            _ => Self::Impossible(ENCRYPT_NOT_SUPPORTED),
        }
    }

    fn byte(self, client: u8) -> u8 {
        match self {
            Self::None => ENCRYPT_NOT_SUPPORTED,
            Self::LoginOnly => ENCRYPT_OFF,
            // A client that asked for none is told that it must.
            Self::Full if client == ENCRYPT_OFF => ENCRYPT_REQUIRED,
            Self::Full => ENCRYPT_ON,
            Self::Impossible(byte) => byte,
        }
    }
}

/// The ENCRYPTION byte of a client's PRELOGIN; "not supported" when it has none.
pub(super) fn client_encryption(message: &[u8]) -> Result<u8, Malformed> {
    let mut options = Reader::new(message);
    loop {
        let token = options.u8()?;
        if token == TERMINATOR {
            return Ok(ENCRYPT_NOT_SUPPORTED);
        }
        let offset = usize::from(u16::from_be_bytes(options.array()?));
        options.take(2)?;
        if token == ENCRYPTION {
            return message.get(offset).copied().ok_or(Malformed);
        }
    }
}

/// The server's PRELOGIN.
pub(super) fn answer(client: u8, agreed: Encryption) -> Vec<u8> {
    let mut version = PRODUCT_VERSION.to_vec();
    version.extend([0, 0]);
    let options: [(u8, &[u8]); 5] =
        [(VERSION, &version), (ENCRYPTION, &[agreed.byte(client)]), (INSTANCE, &[0]), (THREAD, &[]), (MARS, &[0])];
    let mut head = Vec::new();
    let mut data = Vec::new();
    for (token, value) in options {
        let offset = options.len() * 5 + 1 + data.len();
        head.push(token);
        for number in [offset, value.len()] {
            head.extend(u16::try_from(number).unwrap_or_default().to_be_bytes());
        }
        data.extend_from_slice(value);
    }
    head.push(TERMINATOR);
    head.extend(data);
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_follows_the_table_of_the_protocol() {
        use Encryption::{Full, Impossible, LoginOnly, None};
        let expect = [
            // client, certificate, required -> agreed, byte
            (ENCRYPT_OFF, true, false, LoginOnly, ENCRYPT_OFF),
            (ENCRYPT_OFF, true, true, Full, ENCRYPT_REQUIRED),
            (ENCRYPT_OFF, false, false, None, ENCRYPT_NOT_SUPPORTED),
            (ENCRYPT_ON, true, false, Full, ENCRYPT_ON),
            (ENCRYPT_ON, false, false, Impossible(2), ENCRYPT_NOT_SUPPORTED),
            (ENCRYPT_NOT_SUPPORTED, true, false, None, ENCRYPT_NOT_SUPPORTED),
            (ENCRYPT_NOT_SUPPORTED, true, true, Impossible(3), ENCRYPT_REQUIRED),
            (ENCRYPT_REQUIRED, true, false, Full, ENCRYPT_ON),
            (ENCRYPT_REQUIRED, false, false, Impossible(2), ENCRYPT_NOT_SUPPORTED),
        ];
        for (client, certificate, required, agreed, byte) in expect {
            let found = Encryption::negotiate(client, certificate, required);
            assert_eq!((found, found.byte(client)), (agreed, byte), "client {client}, {certificate}, {required}");
        }
    }

    #[test]
    fn the_answer_reads_back() {
        assert_eq!(client_encryption(&answer(ENCRYPT_ON, Encryption::Full)), Ok(ENCRYPT_ON));
        assert_eq!(client_encryption(&[TERMINATOR]), Ok(ENCRYPT_NOT_SUPPORTED));
        assert_eq!(client_encryption(&[ENCRYPTION, 0, 99, 0, 1, TERMINATOR]), Err(Malformed));
        assert_eq!(client_encryption(&[VERSION, 0]), Err(Malformed));
    }
}
