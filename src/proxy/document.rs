//! The OpenAPI document: what every address takes and answers, made from the addresses themselves.

use utoipa::Modify;
use utoipa::OpenApi;
use utoipa::openapi::security::ApiKey;
use utoipa::openapi::security::ApiKeyValue;
use utoipa::openapi::security::HttpAuthScheme;
use utoipa::openapi::security::HttpBuilder;
use utoipa::openapi::security::SecurityScheme;

use super::identity::CloudShellToken;
use super::identity::IdentityProblem;
use super::identity::IdentityToken;
use super::snippet::Form;
use crate::serve::Problem;

/// The document without its addresses.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "kvops proxy",
        description = "Tokens for tools on this machine, with the key still in the vault. `Authorize` takes the run key that \
                       was printed at the start.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
        contact(),
    ),
    tags(
        (name = "Token", description = "Tokens of applications"),
        (name = "Managed identity", description = "The same, as Azure SDKs ask for them"),
        (name = "Cloud Shell", description = "The same, as Cloud Shell asks for them; the address says whose token"),
        (name = "Snippets", description = "The request for a token, as other tools keep requests"),
    ),
    security(("kvopsKey" = []), ("bearer" = [])),
    modifiers(&Keys),
    components(schemas(Problem, Form, IdentityProblem, IdentityToken, CloudShellToken)),
)]
pub(super) struct Described;

/// Where the run key goes.
#[derive(Debug)]
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let header = |name, told| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, told)));
        components.add_security_scheme("kvopsKey", header("X-Kvops-Key", "The run key"));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The run key")).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components
            .add_security_scheme("identityHeader", header("X-IDENTITY-HEADER", "The run key, as App Service calls it"));
    }
}
