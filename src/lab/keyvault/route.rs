//! Which operation a path means, and what it needs.

use super::call::Call;
use super::error::{Answer, Refusal};
use super::permission::Permission;
use super::standalone;
use super::{
    Kind, backup, certificates, contacts, create, deleted, import, issuers, keys, list, pending, secrets, sign,
};
use crate::lab::exchange::Request;

/// Runs the operation that the request names. A slash at the end asks for the current version.
pub(super) fn dispatch(call: &mut Call<'_>, request: &Request) -> Answer {
    let mut path = request.segments();
    if path.last() == Some(&"") {
        path.pop();
    }
    let Some((collection, rest)) = path.split_first() else { return Err(unknown(request)) };
    // What nobody changes need not be kept: an audit reads every certificate of a thousand vaults.
    let lent = rest.first().filter(|name| call.vault.keep(name) && request.method == http::Method::GET);
    let answer = match *collection {
        "certificates" => certificate_paths(call, request, rest),
        "keys" => key_paths(call, request, rest),
        "secrets" => secret_paths(call, request, rest),
        "deletedcertificates" => deleted_paths(call, request, Kind::Certificate, rest),
        "deletedkeys" => deleted_paths(call, request, Kind::Key, rest),
        "deletedsecrets" => deleted_paths(call, request, Kind::Secret, rest),
        _ => Err(unknown(request)),
    };
    if let Some(name) = lent {
        call.vault.let_go(name);
    }
    answer
}

fn unknown(request: &Request) -> Refusal {
    Refusal::not_implemented(&format!("{} /{}", request.method, request.path.join("/")))
}

fn certificate_paths(call: &mut Call<'_>, request: &Request, path: &[&str]) -> Answer {
    match (request.method.as_str(), path) {
        ("GET", []) => {
            call.allow(Permission::CERTIFICATE_LIST)?;
            list::certificates(call, request)
        }
        (_, ["contacts"]) => contact_paths(call, request),
        (_, ["issuers", rest @ ..]) => issuer_paths(call, request, rest),
        ("POST", ["restore"]) => {
            call.allow(Permission::CERTIFICATE_RESTORE)?;
            backup::restore(call, request)
        }
        ("GET", [name]) => {
            call.allow_on(Permission::CERTIFICATE_GET, name)?;
            certificates::read(call, name)
        }
        ("DELETE", [name]) => {
            call.allow_on(Permission::CERTIFICATE_DELETE, name)?;
            deleted::delete(call, Kind::Certificate, name)
        }
        ("POST", [name, "create"]) => {
            call.allow_on(Permission::CERTIFICATE_CREATE, name)?;
            create::create(call, name, request)
        }
        ("POST", [name, "import"]) => {
            call.allow_on(Permission::CERTIFICATE_IMPORT, name)?;
            import::import(call, name, request)
        }
        ("POST", [name, "pending", "merge"]) => {
            call.allow_on(Permission::CERTIFICATE_CREATE, name)?;
            import::merge(call, name, request)
        }
        (_, [name, "pending"]) => pending_paths(call, request, name),
        ("POST", [name, "backup"]) => {
            call.allow_on(Permission::CERTIFICATE_BACKUP, name)?;
            backup::backup(call, name)
        }
        ("GET", [name, "versions"]) => {
            call.allow_on(Permission::CERTIFICATE_LIST, name)?;
            list::certificate_versions(call, name, request)
        }
        ("GET", [name, "policy"]) => {
            call.allow_on(Permission::CERTIFICATE_GET, name)?;
            certificates::read_policy(call, name)
        }
        ("PATCH", [name, "policy"]) => {
            call.allow_on(Permission::CERTIFICATE_UPDATE, name)?;
            certificates::update_policy(call, name, request)
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

fn pending_paths(call: &mut Call<'_>, request: &Request, name: &str) -> Answer {
    match request.method.as_str() {
        "GET" => {
            call.allow_on(Permission::CERTIFICATE_GET, name)?;
            pending::read(call, name, request)
        }
        "PATCH" => {
            call.allow_on(Permission::CERTIFICATE_UPDATE, name)?;
            pending::cancel(call, name, request)
        }
        "DELETE" => {
            call.allow_on(Permission::CERTIFICATE_DELETE, name)?;
            pending::delete(call, name)
        }
        _ => Err(unknown(request)),
    }
}

fn contact_paths(call: &mut Call<'_>, request: &Request) -> Answer {
    match request.method.as_str() {
        "GET" => {
            call.allow(Permission::CONTACTS_READ)?;
            contacts::read(call)
        }
        "PUT" => {
            call.allow(Permission::CONTACTS_WRITE)?;
            contacts::set(call, request)
        }
        "DELETE" => {
            call.allow(Permission::CONTACTS_WRITE)?;
            contacts::delete(call)
        }
        _ => Err(unknown(request)),
    }
}

fn issuer_paths(call: &mut Call<'_>, request: &Request, path: &[&str]) -> Answer {
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

fn key_paths(call: &mut Call<'_>, request: &Request, path: &[&str]) -> Answer {
    match (request.method.as_str(), path) {
        ("GET", []) => {
            call.allow(Permission::KEY_LIST)?;
            list::keys(call, request)
        }
        ("POST", [name, "create"]) => {
            call.allow_on(Permission::KEY_CREATE, name)?;
            standalone::create(call, name, request)
        }
        ("POST", [name, "rotate"]) => {
            call.allow_on(Permission::KEY_ROTATE, name)?;
            standalone::rotate(call, name)
        }
        ("GET", [name, "rotationpolicy"]) => {
            call.allow_on(Permission::KEY_ROTATION_GET, name)?;
            standalone::read_rotation(call, name)
        }
        ("PUT", [name, "rotationpolicy"]) => {
            call.allow_on(Permission::KEY_ROTATION_SET, name)?;
            standalone::set_rotation(call, name, request)
        }
        ("GET", [name, "versions"]) => {
            call.allow_on(Permission::KEY_LIST, name)?;
            list::key_versions(call, name, request)
        }
        // `/keys/{name}//sign` is how some clients ask for the current version.
        ("POST", [name, operation @ ("sign" | "verify")] | [name, "", operation @ ("sign" | "verify")]) => {
            signature(call, request, name, None, operation)
        }
        ("POST", [name, version, operation @ ("sign" | "verify")]) => {
            signature(call, request, name, Some(version), operation)
        }
        ("PUT", [name]) => {
            call.allow_on(Permission::KEY_IMPORT, name)?;
            standalone::import(call, name, request)
        }
        ("DELETE", [name]) => {
            call.allow_on(Permission::KEY_DELETE, name)?;
            deleted::delete(call, Kind::Key, name)
        }
        ("GET", [name, version @ ..]) if version.len() < 2 => {
            call.allow_on(Permission::KEY_GET, name)?;
            keys::read(call, name, version.first().copied())
        }
        ("PATCH", [name, version @ ..]) if version.len() < 2 => {
            call.allow_on(Permission::KEY_UPDATE, name)?;
            standalone::update(call, name, version.first().copied(), request)
        }
        _ => Err(unknown(request)),
    }
}

fn signature(call: &mut Call<'_>, request: &Request, name: &str, version: Option<&str>, operation: &str) -> Answer {
    if operation == "sign" {
        call.allow_on(Permission::KEY_SIGN, name)?;
        return sign::sign(call, name, version, request);
    }
    call.allow_on(Permission::KEY_VERIFY, name)?;
    sign::verify(call, name, version, request)
}

fn secret_paths(call: &mut Call<'_>, request: &Request, path: &[&str]) -> Answer {
    match (request.method.as_str(), path) {
        ("GET", []) => {
            call.allow(Permission::SECRET_LIST)?;
            list::secrets(call, request)
        }
        ("GET", [name, "versions"]) => {
            call.allow_on(Permission::SECRET_LIST, name)?;
            list::secret_versions(call, name, request)
        }
        ("PUT", [name]) => {
            call.allow_on(Permission::SECRET_SET, name)?;
            secrets::set(call, name, request)
        }
        ("DELETE", [name]) => {
            call.allow_on(Permission::SECRET_DELETE, name)?;
            deleted::delete(call, Kind::Secret, name)
        }
        ("GET", [name, version @ ..]) if version.len() < 2 => {
            call.allow_on(Permission::SECRET_GET, name)?;
            secrets::read(call, name, version.first().copied())
        }
        ("PATCH", [name, version @ ..]) if version.len() < 2 => {
            call.allow_on(Permission::SECRET_UPDATE, name)?;
            secrets::update(call, name, version.first().copied(), request)
        }
        _ => Err(unknown(request)),
    }
}

/// Get, list, recover and purge rights on deleted objects.
const fn deleted_rights(kind: Kind) -> [Permission; 4] {
    match kind {
        Kind::Certificate => [
            Permission::CERTIFICATE_GET,
            Permission::CERTIFICATE_LIST,
            Permission::CERTIFICATE_RECOVER,
            Permission::CERTIFICATE_PURGE,
        ],
        Kind::Key => [Permission::KEY_GET, Permission::KEY_LIST, Permission::KEY_RECOVER, Permission::KEY_PURGE],
        Kind::Secret => {
            [Permission::SECRET_GET, Permission::SECRET_LIST, Permission::SECRET_RECOVER, Permission::SECRET_PURGE]
        }
    }
}

fn deleted_paths(call: &mut Call<'_>, request: &Request, kind: Kind, path: &[&str]) -> Answer {
    let [get, list, recover, purge] = deleted_rights(kind);
    match (request.method.as_str(), path) {
        ("GET", []) => {
            call.allow(list)?;
            deleted::list(call, kind, request)
        }
        ("GET", [name]) => {
            call.allow_on(get, name)?;
            deleted::read(call, kind, name)
        }
        ("POST", [name, "recover"]) => {
            call.allow_on(recover, name)?;
            deleted::recover(call, kind, name)
        }
        ("DELETE", [name]) => {
            call.allow_on(purge, name)?;
            deleted::purge(call, kind, name)
        }
        _ => Err(unknown(request)),
    }
}
