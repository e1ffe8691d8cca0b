//! The options of a request that `OData` defines.

use serde_json::{Map, Value};

use super::fault::Fault;
use super::filter::{self, Expr};
use super::render::{FEDERATED, template};
use crate::lab::directory::Kind;
use crate::lab::exchange::Request;

/// The largest page that a client may ask for, and the one it gets without asking.
const LARGEST_PAGE: usize = 999;
const DEFAULT_PAGE: usize = 100;

/// The options of a list.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) select: Option<Vec<String>>,
    pub(super) filter: Option<Expr>,
    pub(super) page: usize,
    /// `$count=true`, of an advanced query only: others ignore it.
    pub(super) count: bool,
    pub(super) order_by: Option<(String, bool)>,
    pub(super) expand: Option<Expand>,
}

/// `$expand` of one relation, perhaps with its own `$select`.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Expand {
    pub(super) relation: Relation,
    pub(super) select: Option<Vec<String>>,
}

/// The relations that the lab can expand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Relation {
    Owners,
    /// Of service principals only.
    AppRoleAssignments,
}

impl Relation {
    /// As it is written.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Owners => "owners",
            Self::AppRoleAssignments => "appRoleAssignments",
        }
    }
}

impl Query {
    /// Reads the options and refuses those that are not supported together.
    pub(super) fn parse(request: &Request, kind: Kind) -> Result<Self, Fault> {
        const KNOWN: [&str; 9] =
            ["$select", "$filter", "$top", "$count", "$orderby", "$expand", "$skiptoken", "$deltatoken", "$search"];
        let is_unknown =
            |name: &str| name.starts_with('$') && !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name));
        if let Some((name, _)) = request.query.iter().find(|(name, _)| is_unknown(name)) {
            return Err(Fault::malformed(format!("The query parameter '{name}' is not supported.")));
        }
        let filter = request.query("$filter").map(filter::parse).transpose()?;
        if let Some(name) = filter.as_ref().and_then(|filter| filter.unknown_member(&|name| is_filterable(kind, name)))
        {
            return Err(Fault::malformed(format!(
                "Could not find a property named '{name}' on type 'microsoft.graph.{}'.",
                kind.type_name()
            )));
        }
        let searched = request.query("$search").map(filter::parse_search).transpose()?;
        let order_by = request.query("$orderby").map(|text| order_by(text, kind)).transpose()?;
        let eventual = is_eventual(request);
        let needs_more = searched.is_some()
            || filter.as_ref().is_some_and(Expr::is_advanced)
            || (order_by.is_some() && filter.is_some());
        if needs_more && !(eventual && wants_count(request)) {
            return Err(Fault::unsupported_query(
                "Unsupported Query. Advanced queries need the header ConsistencyLevel: eventual and $count=true.",
            ));
        }
        let expand = expand(request, kind)?;
        if expand.is_some() && needs_more {
            return Err(Fault::unsupported_query("Expand is not supported together with advanced queries."));
        }
        let filter = match (filter, searched) {
            (Some(filter), Some(searched)) => Some(Expr::And(Box::new(filter), Box::new(searched))),
            (filter, searched) => filter.or(searched),
        };
        Ok(Self {
            select: select(request)?,
            filter,
            page: page(request)?,
            count: eventual && wants_count(request),
            order_by,
            expand,
        })
    }

    /// Whether the bytes or the list of certificates are asked for by name.
    pub(super) fn selects_keys(&self) -> bool {
        self.select.as_ref().is_some_and(|names| names.iter().any(|name| name == "keyCredentials"))
    }
}

fn is_filterable(kind: Kind, name: &str) -> bool {
    template(kind).contains_key(name) || name == FEDERATED
}

/// Refuses a query that only the eventually consistent index can answer.
pub(super) fn require_eventual(request: &Request) -> Result<(), Fault> {
    if is_eventual(request) {
        return Ok(());
    }
    Err(Fault::malformed("$count is not currently supported. Use the header ConsistencyLevel: eventual."))
}

/// The names of `$select`.
pub(super) fn select(request: &Request) -> Result<Option<Vec<String>>, Fault> {
    let names = |text: &str| -> Vec<String> {
        text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    Ok(request.query("$select").map(names).filter(|names| !names.is_empty() && names != &["*"]))
}

/// `$expand`.
pub(super) fn expand(request: &Request, kind: Kind) -> Result<Option<Expand>, Fault> {
    let Some(text) = request.query("$expand") else { return Ok(None) };
    let (name, options) = text.split_once('(').unwrap_or((text, ""));
    let known = [Relation::Owners, Relation::AppRoleAssignments];
    let Some(relation) = known.into_iter().find(|known| known.name().eq_ignore_ascii_case(name.trim())) else {
        return Err(Fault::not_implemented("$expand of anything but owners and appRoleAssignments"));
    };
    if relation == Relation::AppRoleAssignments && kind != Kind::ServicePrincipal {
        return Err(no_member(kind, relation.name()));
    }
    let options = options.strip_suffix(')').unwrap_or(options);
    let select = options.split(';').find_map(|option| option.trim().strip_prefix("$select="));
    let select = select.map(|names| names.split(',').map(|name| name.trim().to_owned()).collect());
    Ok(Some(Expand { relation, select }))
}

fn no_member(kind: Kind, name: &str) -> Fault {
    Fault::malformed(format!(
        "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type 'microsoft.graph.{}'.",
        kind.type_name()
    ))
}

/// Keeps the selected members, in the order of the selection, and says what the context is called.
pub(super) fn project(
    kind: Kind,
    mut entity: Map<String, Value>,
    select: Option<&[String]>,
) -> Result<(String, Map<String, Value>), Fault> {
    let Some(names) = select else { return Ok((kind.collection().to_owned(), entity)) };
    let mut kept = Map::new();
    for name in names {
        let Some(value) = entity.swap_remove(name) else {
            if kept.contains_key(name) {
                continue;
            }
            return Err(no_member(kind, name));
        };
        kept.insert(name.clone(), value);
    }
    // An expanded relation is shown whether it was selected or not.
    for relation in [Relation::Owners, Relation::AppRoleAssignments].map(Relation::name) {
        if let Some(related) = entity.swap_remove(relation) {
            kept.insert(relation.to_owned(), related);
        }
    }
    Ok((format!("{}({})", kind.collection(), names.join(",")), kept))
}

/// The size of a page.
pub(super) fn page(request: &Request) -> Result<usize, Fault> {
    let Some(text) = request.query("$top") else { return Ok(DEFAULT_PAGE) };
    match text.parse::<usize>() {
        Ok(page) if (1..=LARGEST_PAGE).contains(&page) => Ok(page),
        Ok(_) => Err(Fault::bad_request(format!(
            "Invalid page size specified: '{text}'. Must be between 1 and {LARGEST_PAGE} inclusive."
        ))),
        Err(_) => Err(Fault::malformed(format!("Invalid value '{text}' for $top query option found."))),
    }
}

fn order_by(text: &str, kind: Kind) -> Result<(String, bool), Fault> {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default().to_owned();
    let descending = words.next().is_some_and(|word| word.eq_ignore_ascii_case("desc"));
    if name.contains(',') || !template(kind).contains_key(&name) {
        return Err(Fault::unsupported_query(format!("Sorting by '{text}' is not supported.")));
    }
    Ok((name, descending))
}

fn is_eventual(request: &Request) -> bool {
    request.header("consistencylevel").is_some_and(|level| level.eq_ignore_ascii_case("eventual"))
}

/// `$count=true`.
pub(super) fn wants_count(request: &Request) -> bool {
    request.query("$count").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
