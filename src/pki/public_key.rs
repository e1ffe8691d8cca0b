//! Public keys, and what they verify.

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey as ParsedKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::algorithm::SignatureAlgorithm;
use super::error::Error;
use super::jws::Algorithm;
use super::roca;

/// The key in a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PublicKey {
    /// An RSA key.
    Rsa {
        /// `n`, big-endian without leading zeros.
        modulus: Vec<u8>,
        /// `e`, big-endian without leading zeros.
        exponent: Vec<u8>,
        /// `RSAPublicKey` of RFC 8017 A.1.1, DER.
        pkcs1: Vec<u8>,
    },
    /// An elliptic-curve point.
    Ec {
        /// Bits of the field.
        bits: usize,
        /// `04 ‖ x ‖ y`.
        point: Vec<u8>,
    },
}

impl PublicKey {
    pub(super) fn new(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, Error> {
        match info.parsed().map_err(|error| Error::Certificate(error.to_string()))? {
            ParsedKey::RSA(rsa) => Ok(Self::Rsa {
                modulus: without_leading_zeros(rsa.modulus),
                exponent: without_leading_zeros(rsa.exponent),
                pkcs1: info.subject_public_key.data.to_vec(),
            }),
            ParsedKey::EC(point) => Ok(Self::Ec { bits: point.key_size(), point: point.data().to_vec() }),
            _ => Err(Error::KeyKind(info.algorithm.algorithm.to_id_string())),
        }
    }

    /// The key of a certification request (PKCS#10, RFC 2986), DER.
    pub fn of_request(csr: &[u8]) -> Result<Self, Error> {
        let unusable = |problem: String| Error::Certificate(format!("the request for it: {problem}"));
        let (_, request) = X509CertificationRequest::from_der(csr).map_err(|error| unusable(error.to_string()))?;
        Self::new(&request.certification_request_info.subject_pki)
    }

    /// Bits of the modulus or of the field.
    pub fn bits(&self) -> usize {
        match self {
            Self::Rsa { modulus, .. } => {
                modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize)
            }
            Self::Ec { bits, .. } => *bits,
        }
    }

    /// Whether it is an RSA key whose modulus has the form of a broken generator, and can be factored.
    pub fn is_roca(&self) -> bool {
        matches!(self, Self::Rsa { modulus, .. } if roca::is_roca(modulus))
    }

    /// For people: `RSA 3072`, `EC 256`.
    pub fn description(&self) -> String {
        let kind = match self {
            Self::Rsa { .. } => "RSA",
            Self::Ec { .. } => "EC",
        };
        format!("{kind} {}", self.bits())
    }

    /// Checks a JWS signature over `message`.
    pub fn verify(
        &self,
        algorithm: impl Into<SignatureAlgorithm>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        let algorithm = algorithm.into();
        self.verify_digest_with(algorithm, &algorithm.digest_of(message), signature)
    }

    /// Checks the signature of a client assertion over a digest, which is all that a vault is given
    /// to sign. Every algorithm of those is an RSA one, so an EC key verifies none.
    pub fn verify_digest(&self, algorithm: Algorithm, digest: &[u8; 32], signature: &[u8]) -> Result<(), Error> {
        let digest = Digest::import_less_safe(digest, &SHA256).map_err(|_| Error::Signature)?;
        self.verify_digest_with(algorithm.into(), &digest, signature)
    }

    fn verify_digest_with(
        &self,
        algorithm: SignatureAlgorithm,
        digest: &Digest,
        signature: &[u8],
    ) -> Result<(), Error> {
        if !algorithm.fits(self) {
            return Err(Error::AlgorithmKind { algorithm, key: self.description() });
        }
        let key = match self {
            Self::Rsa { pkcs1, .. } => pkcs1,
            Self::Ec { point, .. } => point,
        };
        let parameters: &'static dyn VerificationAlgorithm = match algorithm {
            SignatureAlgorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            SignatureAlgorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            SignatureAlgorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            SignatureAlgorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
            SignatureAlgorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
            SignatureAlgorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
            SignatureAlgorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
            SignatureAlgorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
            SignatureAlgorithm::Es512 => &ECDSA_P521_SHA512_FIXED,
        };
        UnparsedPublicKey::new(parameters, key).verify_digest(digest, signature).map_err(|_| Error::Signature)
    }
}

/// A JWK's `n` and an ASN.1 integer may carry a sign byte; comparisons must not see it.
pub(super) fn without_leading_zeros(number: &[u8]) -> Vec<u8> {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    number[start..].to_vec()
}
