//! The order in which packages are installed: what a package needs comes before it.
//!
//! Cycles are usual. Inside one, requirements of scripts (`Requires(pre)`, `Requires(post)`) still
//! hold, others do not; a cycle of those is broken by name. The result depends on the set of
//! packages only, not on the order in which they are given.

use crate::error::Result;
use crate::header::{Dependency, Header};
use crate::rpmdb::merged;
use cambium_model::Evr;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

/// Indexes into `packages`, dependencies first.
///
/// # Errors
/// [`crate::Error::Malformed`] for a header whose file list is broken.
pub fn install_order(packages: &[Header]) -> Result<Vec<usize>> {
    let mut by_name: Vec<usize> = (0..packages.len()).collect();
    by_name.sort_by(|a, b| packages[*a].nevra().cmp(packages[*b].nevra()));
    let mut graph = Graph { edges: vec![BTreeSet::new(); packages.len()], strong: Vec::new() };
    graph.strong.clone_from(&graph.edges);
    // Edges are in terms of ranks by name, so that the result is the same for any input order.
    let providers = providers(packages, &by_name)?;
    for (rank, package) in by_name.iter().enumerate() {
        for need in packages[*package].requires() {
            for (provided, provider) in providers.get(&*merged(&need.name)).into_iter().flatten() {
                if *provider != rank && meets(provided.as_ref(), &need) {
                    graph.edges[rank].insert(*provider);
                    if need.sense.before_scripts() {
                        graph.strong[rank].insert(*provider);
                    }
                }
            }
        }
    }
    let all: Vec<usize> = (0..packages.len()).collect();
    let mut order = Vec::with_capacity(packages.len());
    for component in components(&all, &graph.edges) {
        if component.len() == 1 {
            order.extend(component);
            continue;
        }
        for mut inner in components(&component, &graph.strong) {
            inner.sort_unstable();
            order.extend(inner);
        }
    }
    Ok(order.into_iter().map(|rank| by_name[rank]).collect())
}

struct Graph {
    edges: Vec<BTreeSet<usize>>,
    strong: Vec<BTreeSet<usize>>,
}

type Providers = HashMap<String, Vec<(Option<Dependency>, usize)>>;

/// Who provides a name or path, by rank. Paths only where somebody needs them: a distribution's
/// file lists are long.
fn providers(packages: &[Header], by_name: &[usize]) -> Result<Providers> {
    let mut providers: Providers = HashMap::new();
    let needs = packages.iter().flat_map(Header::requires).map(|need| need.name);
    let paths = needs.filter(|name| name.starts_with('/'));
    let paths: BTreeSet<String> = paths.map(|path| merged(&path).into_owned()).collect();
    for (rank, package) in by_name.iter().enumerate() {
        for provided in packages[*package].provides() {
            providers.entry(provided.name.clone()).or_default().push((Some(provided), rank));
        }
        if paths.is_empty() {
            continue;
        }
        for file in packages[*package].files()? {
            let path = merged(&file.path);
            if paths.contains(&*path) {
                providers.entry(path.into_owned()).or_default().push((None, rank));
            }
        }
    }
    Ok(providers)
}

/// Whether a provide meets a need: by rpm's rules, but for ranges of provides, which do not occur.
fn meets(provided: Option<&Dependency>, need: &Dependency) -> bool {
    const LESS: u32 = 2;
    const GREATER: u32 = 4;
    const EQUAL: u32 = 8;
    let Some(provided) = provided else { return true };
    if !need.sense.versioned() || !provided.sense.versioned() {
        return true;
    }
    let (mut left, mut right) = (provided.evr.clone(), need.evr.clone());
    if left.release.is_empty() || right.release.is_empty() {
        left = Evr { release: String::new(), ..left };
        right = Evr { release: String::new(), ..right };
    }
    let wanted = match left.cmp(&right) {
        Ordering::Less => LESS,
        Ordering::Equal => EQUAL,
        Ordering::Greater => GREATER,
    };
    need.sense.0 & wanted != 0
}

/// Strongly connected components of the graph within `nodes`, each after those that it has edges
/// to (Tarjan's algorithm, without recursion: chains of packages can be long).
fn components(nodes: &[usize], edges: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let within: BTreeSet<usize> = nodes.iter().copied().collect();
    let mut found = vec![NEW; edges.len()];
    let mut low = vec![NEW; edges.len()];
    let mut open = vec![false; edges.len()];
    let (mut stack, mut result, mut counter) = (Vec::new(), Vec::new(), 0);
    for root in nodes {
        if found[*root] != NEW {
            continue;
        }
        let mut path = vec![(*root, edges[*root].iter())];
        let mut enter = |node: usize,
                         found: &mut [usize],
                         low: &mut [usize],
                         open: &mut [bool],
                         stack: &mut Vec<usize>| {
            found[node] = counter;
            low[node] = counter;
            counter += 1;
            open[node] = true;
            stack.push(node);
        };
        enter(*root, &mut found, &mut low, &mut open, &mut stack);
        while let Some((node, targets)) = path.last_mut() {
            let node = *node;
            match targets.next() {
                Some(target) if !within.contains(target) => {}
                Some(target) if found[*target] == NEW => {
                    enter(*target, &mut found, &mut low, &mut open, &mut stack);
                    path.push((*target, edges[*target].iter()));
                }
                Some(target) => {
                    if open[*target] {
                        low[node] = low[node].min(found[*target]);
                    }
                }
                None => {
                    path.pop();
                    if let Some((parent, _)) = path.last() {
                        low[*parent] = low[*parent].min(low[node]);
                    }
                    if low[node] == found[node] {
                        let start = stack.iter().rposition(|other| *other == node).unwrap_or(0);
                        let component = stack.split_off(start);
                        component.iter().for_each(|member| open[*member] = false);
                        result.push(component);
                    }
                }
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn graph(count: usize, pairs: &[(usize, usize)]) -> Vec<BTreeSet<usize>> {
        let mut edges = vec![BTreeSet::new(); count];
        pairs.iter().for_each(|(from, to)| {
            edges[*from].insert(*to);
        });
        edges
    }

    #[test]
    fn a_cycle_is_one_component_after_what_it_needs() {
        let edges = graph(4, &[(0, 1), (1, 2), (2, 0), (2, 3)]);
        let mut result = components(&[0, 1, 2, 3], &edges);
        result.iter_mut().for_each(|component| component.sort_unstable());
        assert_eq!(result, [vec![3], vec![0, 1, 2]]);
    }

    proptest! {
        #[test]
        fn an_edge_never_points_to_a_later_component(
            pairs in proptest::collection::vec((0usize..12, 0usize..12), 0..40),
        ) {
            let edges = graph(12, &pairs);
            let nodes: Vec<usize> = (0..12).collect();
            let result = components(&nodes, &edges);
            let place = |node| result.iter().position(|c| c.contains(&node)).unwrap();
            prop_assert_eq!(result.iter().map(Vec::len).sum::<usize>(), 12);
            for (from, to) in pairs {
                prop_assert!(place(to) <= place(from));
            }
        }
    }
}
