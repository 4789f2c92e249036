//! What each route has to do with a request, for people who ask.

use std::sync::Arc;

use super::Compiler;
use crate::{
    Considered, Miss, Query, ResourceSet, Route,
    plugin::Registry,
    route::{self, Router, Rule},
};

/// Which route a request takes, and why.
#[derive(Debug)]
pub struct Explanation {
    /// The route that it takes, or why it takes none.
    pub found: Result<Arc<Route>, Miss>,
    /// All routes that are in force, in their order for this request; those of other hosts and paths last.
    pub considered: Vec<Considered>,
}

/// A set, compiled to be asked about requests.
#[derive(Debug)]
pub struct Explainer {
    rules: Vec<Rule>,
    router: Router,
}

impl Explainer {
    /// Compiles a set. Takes as long as any compilation: not for the request path.
    pub fn compile(set: &ResourceSet, registry: &Registry) -> Self {
        let mut compiler = Compiler::new(set, registry, None);
        compiler.check_all();
        compiler.secrets();
        let upstreams = compiler.upstreams();
        let services = compiler.services(&upstreams);
        let plugins = compiler.plugins();
        let (_, rules) = compiler.rules(&services, &plugins);
        let (router, _) = Router::build(rules.clone(), None);
        Self { rules, router }
    }

    /// Explains what the set does with a request. Looks at every route.
    pub fn explain(&self, query: &Query<'_>) -> Explanation {
        let found = self.router.find(query);
        Explanation {
            found: found.map(|found| Arc::clone(found.route)),
            considered: route::explain(&self.rules, query),
        }
    }
}
