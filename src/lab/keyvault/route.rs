//! Which operation a path means, and what it needs.

use http::Method;

use super::call::Call;
use super::error::{Answer, Refusal};
use super::permission::Permission;
use super::{certificates, create, issuers, keys, pending, sign};
use crate::lab::exchange::Request;

/// Runs the operation that the request names. A slash at the end asks for the current version.
pub(super) fn dispatch(call: &mut Call<'_>, request: &Request) -> Answer {
    let mut path = request.segments();
    if path.last() == Some(&"") {
        path.pop();
    }
    match path.split_first() {
        Some((&"certificates", rest)) => certificates(call, request, rest),
        Some((&"keys", rest)) => keys(call, request, rest),
        _ => Err(unknown(request)),
    }
}

fn unknown(request: &Request) -> Refusal {
    Refusal::not_implemented(&format!("{} /{}", request.method, request.path.join("/")))
}

fn certificates(call: &mut Call<'_>, request: &Request, path: &[&str]) -> Answer {
    match (request.method.as_str(), path) {
        (_, ["issuers", rest @ ..]) => issuers(call, request, rest),
        ("POST", [name, "create"]) => {
            call.allow_on(Permission::CERTIFICATE_CREATE, name)?;
            create::create(call, name, request)
        }
        (_, [name, "pending"]) => pending(call, request, name),
        ("GET", [name, "policy"]) => {
            call.allow_on(Permission::CERTIFICATE_GET, name)?;
            certificates::read_policy(call, name)
        }
        ("PATCH", [name, "policy"]) => {
            call.allow_on(Permission::CERTIFICATE_UPDATE, name)?;
            certificates::update_policy(call, name, request)
        }
        ("GET", [name]) => {
            call.allow_on(Permission::CERTIFICATE_GET, name)?;
            certificates::read(call, name)
        }
        ("GET", [name, version]) => {
            call.allow_on(Permission::CERTIFICATE_GET, name)?;
            certificates::read_version(call, name, version)
        }
        ("PATCH", [name, version @ ..]) if version.len() < 2 => {
            call.allow_on(Permission::CERTIFICATE_UPDATE, name)?;
            certificates::update(call, name, version.first().copied(), request)
        }
        _ => Err(unknown(request)),
    }
}

fn pending(call: &mut Call<'_>, request: &Request, name: &str) -> Answer {
    match request.method {
        Method::GET => {
            call.allow_on(Permission::CERTIFICATE_GET, name)?;
            pending::read(call, name, request)
        }
        Method::PATCH => {
            call.allow_on(Permission::CERTIFICATE_UPDATE, name)?;
            pending::cancel(call, name, request)
        }
        Method::DELETE => {
            call.allow_on(Permission::CERTIFICATE_DELETE, name)?;
            pending::delete(call, name)
        }
        _ => Err(unknown(request)),
    }
}

fn issuers(call: &mut Call<'_>, request: &Request, path: &[&str]) -> Answer {
    match (request.method.as_str(), path) {
        ("GET", []) => {
            call.allow(Permission::ISSUER_LIST)?;
            issuers::list(call, request)
        }
        ("GET", [name]) => {
            call.allow(Permission::ISSUER_GET)?;
            issuers::read(call, name)
        }
        ("PUT", [name]) => {
            call.allow(Permission::ISSUER_SET)?;
            issuers::set(call, name, request)
        }
        ("PATCH", [name]) => {
            call.allow(Permission::ISSUER_SET)?;
            issuers::update(call, name, request)
        }
        ("DELETE", [name]) => {
            call.allow(Permission::ISSUER_DELETE)?;
            issuers::delete(call, name)
        }
        _ => Err(unknown(request)),
    }
}

fn keys(call: &mut Call<'_>, request: &Request, path: &[&str]) -> Answer {
    match (request.method.as_str(), path) {
        // `/keys/{name}//sign` is how some clients ask for the current version.
        ("POST", [name, "sign"] | [name, "", "sign"]) => {
            call.allow_on(Permission::KEY_SIGN, name)?;
            sign::sign(call, name, None, request)
        }
        ("POST", [name, version, "sign"]) => {
            call.allow_on(Permission::KEY_SIGN, name)?;
            sign::sign(call, name, Some(version), request)
        }
        ("POST", [name, "verify"] | [name, "", "verify"]) => {
            call.allow_on(Permission::KEY_VERIFY, name)?;
            sign::verify(call, name, None, request)
        }
        ("POST", [name, version, "verify"]) => {
            call.allow_on(Permission::KEY_VERIFY, name)?;
            sign::verify(call, name, Some(version), request)
        }
        ("GET", [name]) => {
            call.allow_on(Permission::KEY_GET, name)?;
            keys::read(call, name, None)
        }
        ("GET", [name, version]) => {
            call.allow_on(Permission::KEY_GET, name)?;
            keys::read(call, name, Some(version))
        }
        _ => Err(unknown(request)),
    }
}
