//! What each route has to do with a request, for people who ask.

use std::sync::Arc;

use super::Compiler;
use crate::{
    Considered, Miss, Query, ResourceSet, Route,
    plugin::Registry,
    route::{self, Router},
};

/// Which route a request takes, and why.
#[derive(Debug)]
pub struct Explanation {
    /// The route that it takes, or why it takes none.
    pub found: Result<Arc<Route>, Miss>,
    /// All routes that are in force, in their order for this request; those of other hosts and paths last.
    pub considered: Vec<Considered>,
}

/// Explains what a set does with a request. Compiles the set: not for the request path.
pub fn explain(set: &ResourceSet, registry: &Registry, query: &Query<'_>) -> Explanation {
    let mut compiler = Compiler::new(set, registry, None);
    compiler.check_all();
    compiler.secrets();
    let upstreams = compiler.upstreams();
    let services = compiler.services(&upstreams);
    let plugins = compiler.plugins();
    let (_, rules) = compiler.rules(&services, &plugins);
    let considered = route::explain(&rules, query);
    let (router, _) = Router::build(rules, None);
    let found = router.find(query).map(|found| Arc::clone(found.route));
    Explanation { found, considered }
}
