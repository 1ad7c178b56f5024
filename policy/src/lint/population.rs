//! The pods that are known, in classes that policies cannot tell apart, and indexes to find them by.

use super::{
    conditions::{Condition, conditions},
    dormant::{Dormant, Sleeping},
    known::Known,
};
use crate::{
    Cluster, Object, Pod,
    fingerprint::Fingerprint,
    labels::{LabelSet, Labels, NAMESPACE_NAME_LABEL},
    network_policy::NetworkPolicy,
    peer::{Peer, PeerMatch, PeerPod},
    selector::Selector,
    shown::short,
    template::Template,
    truth::Truth,
};
use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::apis::meta::v1::LabelSelector};
use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap, HashSet},
    net::{IpAddr, Ipv4Addr},
    ops::Range,
};

/// Pods of one template, or a template without pods.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class<'a> {
    pub(super) template: &'a Template,
    /// Its namespace, by its place in the population.
    pub(super) namespace: usize,
    /// Whether its pods live, or would live, in the pod network.
    pub(super) in_pod_network: bool,
    /// How many of its pods live.
    pub(super) live: usize,
    /// One of its pods, a living one where there is one.
    pub(super) pod: Option<&'a Pod>,
    /// What was written of that pod, or of the workload.
    pub(super) spec: Option<&'a PodSpec>,
    /// The workload whose template it is.
    workload: Option<&'a str>,
}

impl<'a> Class<'a> {
    /// What a workload would have in the namespace of that place.
    fn asleep(workload: &'a Sleeping<'a>, namespace: usize) -> Self {
        let Sleeping { template, spec, workload } = workload;
        let in_pod_network = !spec.and_then(|spec| spec.host_network).unwrap_or_default();
        Self {
            template,
            namespace,
            in_pod_network,
            live: 0,
            pod: None,
            spec: *spec,
            workload: Some(workload),
        }
    }

    /// One of its pods, or its workload.
    pub(super) fn example(&self) -> Option<String> {
        self.pod.map(Pod::title).or_else(|| self.workload.map(short))
    }
}

/// A namespace and which classes live in it.
#[derive(Debug)]
pub(super) struct Home<'a> {
    pub(super) name: &'a str,
    pub(super) labels: Labels<'a>,
    /// The same to read, where they are known.
    pub(super) text: Option<&'a BTreeMap<String, String>>,
    pub(super) classes: Range<usize>,
    /// The labels of its pods, collected when they are first asked for.
    known: OnceCell<Known<'a>>,
}

/// All pods that are known.
pub(super) struct Population<'a> {
    cluster: &'a Cluster,
    pub(super) homes: Vec<Home<'a>>,
    pub(super) classes: Vec<Class<'a>>,
    /// Whether any pod lives.
    has_pods: bool,
    /// The names, as labels, of the namespaces in which anybody lives.
    inhabited: HashSet<Fingerprint>,
    /// The labels of the nodes that are known.
    pub(super) nodes: Vec<&'a LabelSet>,
    /// The labels of namespaces, collected when they are first asked for.
    known_homes: OnceCell<Known<'a>>,
    by_name: HashMap<&'a str, usize>,
    by_label: HashMap<&'a str, HashMap<&'a str, Vec<usize>>>,
}

/// What narrows a search before selectors are asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hint<'h> {
    /// A label that the pods must have.
    label: Option<(&'h str, &'h str)>,
    /// The only namespace.
    namespace: Option<&'h str>,
}

impl<'h> Hint<'h> {
    /// From the selectors as they were written; an absent one restricts nothing.
    pub(super) fn new(namespace: Option<&'h str>, pods: Option<&'h LabelSelector>) -> Self {
        let labels = pods.and_then(|pods| pods.match_labels.as_ref());
        let label = labels.and_then(BTreeMap::first_key_value);
        Self { label: label.map(|(key, value)| (key.as_str(), value.as_str())), namespace }
    }
}

impl<'a> Population<'a> {
    /// Takes in the pods of a cluster; `objects` are what it was built from.
    pub(super) fn new(
        cluster: &'a Cluster,
        objects: impl Iterator<Item = &'a Object>,
        dormant: &'a Dormant<'a>,
    ) -> Self {
        let written = objects.filter_map(|object| match object {
            Object::Pod(pod) => {
                let key = object.key();
                Some(((key.namespace_or_default().to_owned(), key.name), pod.spec.as_ref()?))
            }
            _ => None,
        });
        let written: HashMap<(String, String), &PodSpec> = written.collect();
        let mut population = Self {
            cluster,
            homes: Vec::new(),
            classes: Vec::new(),
            nodes: cluster.node_labels().collect(),
            has_pods: false,
            inhabited: HashSet::new(),
            known_homes: OnceCell::new(),
            by_name: HashMap::new(),
            by_label: HashMap::new(),
        };
        let mut sleeping: BTreeMap<&str, Vec<&Sleeping<'_>>> = BTreeMap::new();
        for entry in dormant.iter() {
            sleeping.entry(&entry.template.namespace.name).or_default().push(entry);
        }
        for surveyed in cluster.survey() {
            let sleeping = sleeping.remove(surveyed.name).unwrap_or_default();
            population.add_home((surveyed.name, surveyed.labels, surveyed.text), |population, home| {
                population.add_pods(home, &surveyed.pods, &written);
                population.classes.extend(sleeping.iter().map(|entry| Class::asleep(entry, home)));
            });
        }
        // Namespaces of which nothing else is known.
        for (name, sleeping) in sleeping {
            let labels = Labels::NamespaceNamed(Fingerprint::of_pair(NAMESPACE_NAME_LABEL, name));
            population.add_home((name, labels, None), |population, home| {
                population.classes.extend(sleeping.iter().map(|entry| Class::asleep(entry, home)));
            });
        }
        population.has_pods = population.classes.iter().any(|class| class.live > 0);
        population.index();
        population
    }

    /// Adds a namespace with its classes.
    fn add_home(
        &mut self,
        (name, labels, text): (&'a str, Labels<'a>, Option<&'a BTreeMap<String, String>>),
        add_classes: impl FnOnce(&mut Self, usize),
    ) {
        let (home, first) = (self.homes.len(), self.classes.len());
        add_classes(self, home);
        self.by_name.insert(name, home);
        let classes = first..self.classes.len();
        if !classes.is_empty() {
            self.inhabited.insert(Fingerprint::of_pair(NAMESPACE_NAME_LABEL, name));
        }
        self.homes.push(Home { name, labels, text, classes, known: OnceCell::new() });
    }

    /// Pods of one template and one kind of network are one class.
    fn add_pods(&mut self, home: usize, pods: &[&'a Pod], written: &HashMap<(String, String), &'a PodSpec>) {
        let mut known: HashMap<(*const Template, bool), usize> = HashMap::new();
        for pod in pods {
            let key = (std::ptr::from_ref::<Template>(&pod.template), pod.host_network);
            let at = *known.entry(key).or_insert_with(|| {
                self.classes.push(Class {
                    template: &pod.template,
                    namespace: home,
                    in_pod_network: !pod.host_network,
                    live: 0,
                    pod: None,
                    spec: None,
                    workload: None,
                });
                self.classes.len() - 1
            });
            let class = &mut self.classes[at];
            if class.pod.is_none() || (class.live == 0 && !pod.finished) {
                class.pod = Some(pod);
                class.spec = written.get(&(pod.namespace().to_owned(), pod.name.to_string())).copied();
            }
            class.live += usize::from(!pod.finished);
        }
    }

    fn index(&mut self) {
        for (at, class) in self.classes.iter().enumerate() {
            for (key, value) in class.template.labels.text() {
                self.by_label.entry(key).or_default().entry(value).or_default().push(at);
            }
        }
    }

    /// Whether there is any living pod or any workload; without one nothing can be said about who is
    /// selected.
    pub(super) fn has_people(&self) -> bool {
        self.has_pods || self.classes.iter().any(|class| class.workload.is_some())
    }

    /// Whether a class counts as pods that are there: where none lives, all workloads do.
    pub(super) const fn counts(&self, class: &Class<'_>) -> bool {
        class.live > 0 || !self.has_pods
    }

    /// Whether all pods of a namespace are known: where none lives at all, those of its workloads.
    pub(super) fn knows(&self, namespace: &str) -> bool {
        self.has_pods || self.home(namespace).is_some_and(|home| !home.classes.is_empty())
    }

    /// Whether all pods of the namespaces are known: manifests without living pods tell nothing of
    /// namespaces that are not in them.
    pub(super) fn knows_all(&self, namespaces: &Selector) -> bool {
        let is_by_name = |condition: Condition<'_>| match condition {
            Condition::In { pairs, .. } => pairs.iter().all(|pair| self.inhabited.contains(pair)),
            _ => false,
        };
        self.has_pods || conditions(namespaces).any(is_by_name)
    }

    /// What the labels of a namespace are looked for on.
    pub(super) const fn word(&self) -> &'static str {
        if self.has_pods { "pod" } else { "workload" }
    }

    /// The namespace of this name, where anything is known of it.
    pub(super) fn home(&self, name: &str) -> Option<&Home<'a>> {
        self.by_name.get(name).map(|at| &self.homes[*at])
    }

    /// The classes of a namespace.
    pub(super) fn classes_of(&self, home: &Home<'a>) -> &[Class<'a>] {
        self.classes.get(home.classes.clone()).unwrap_or_default()
    }

    /// The labels of the pods of a namespace.
    pub(super) fn known<'s>(&'s self, home: &'s Home<'a>) -> &'s Known<'a> {
        let classes = || self.classes_of(home).iter();
        home.known.get_or_init(|| Known::new(classes().map(|class| class.template.labels.text())))
    }

    /// The labels of the namespaces whose objects are known.
    pub(super) fn known_homes(&self) -> &Known<'a> {
        self.known_homes.get_or_init(|| Known::new(self.homes.iter().filter_map(|home| home.text)))
    }

    /// The classes that a NetworkPolicy selects, host-network ones too; also those of which that is
    /// not certain.
    pub(super) fn selected<'s>(
        &'s self,
        policy: &'s NetworkPolicy,
    ) -> impl Iterator<Item = &'s Class<'a>> + 's {
        let hint = Hint::new(policy.id.namespace.as_deref(), policy.spec.pod_selector.as_ref());
        self.candidates(hint).filter(|class| policy.selects(class.template) != Truth::No)
    }

    /// The classes that a peer matches by its selectors, host-network ones too; also those of which
    /// that is not certain.
    pub(super) fn matched<'s>(
        &'s self,
        peer: &'s PeerMatch,
        hint: Hint<'s>,
    ) -> Box<dyn Iterator<Item = &'s Class<'a>> + 's> {
        let matches = move |class: &&Class<'a>| self.peer_matches(peer, class) != Truth::No;
        match (peer, hint) {
            (PeerMatch::PodsOf { namespaces, .. }, Hint { label: None, namespace: None }) => {
                let homes = self.homes.iter().filter(|home| namespaces.admits(home.labels) != Truth::No);
                Box::new(homes.flat_map(|home| self.classes_of(home)).filter(matches))
            }
            _ => Box::new(self.candidates(hint).filter(matches)),
        }
    }

    /// Whether a peer matches the pods of a class, as the evaluator says.
    pub(super) fn peer_matches(&self, peer: &PeerMatch, class: &Class<'_>) -> Truth {
        let labels = self.homes[class.namespace].labels;
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let pod = PeerPod {
            namespace: class.template.namespace.print,
            labels: class.template.labels.prints(),
            namespace_labels: labels,
            template: class.template,
        };
        peer.matches(&Peer { ip: nowhere, pod: Some(pod) }, self.cluster)
    }

    /// Whether selectors match the pods of a class for certain.
    pub(super) fn selects(&self, namespaces: &Selector, pods: &Selector, class: &Class<'_>) -> bool {
        namespaces.admits(self.homes[class.namespace].labels) == Truth::Yes
            && pods.admits(Labels::Known(class.template.labels.prints())) == Truth::Yes
    }

    /// The namespaces that a selector matches, also those of which that is not certain.
    pub(super) fn homes_matched(&self, namespaces: &Selector) -> impl Iterator<Item = &Home<'a>> {
        self.homes.iter().filter(|home| namespaces.admits(home.labels) != Truth::No)
    }

    /// The classes that a hint leaves.
    pub(super) fn candidates(&self, hint: Hint<'_>) -> impl Iterator<Item = &Class<'a>> {
        let range = match hint.namespace {
            Some(name) => self.home(name).map_or(0..0, |home| home.classes.clone()),
            None => 0..self.classes.len(),
        };
        let (labelled, all) = match hint.label {
            Some(label) => (self.labelled(label, &range), 0..0),
            None => (&[][..], range),
        };
        labelled.iter().copied().chain(all).map(|at| &self.classes[at])
    }

    /// The classes of a range that have a label.
    fn labelled(&self, (key, value): (&str, &str), range: &Range<usize>) -> &[usize] {
        let all = self.by_label.get(key).and_then(|values| values.get(value)).map_or(&[][..], Vec::as_slice);
        let first = all.partition_point(|at| *at < range.start);
        let end = all.partition_point(|at| *at < range.end);
        all.get(first..end).unwrap_or_default()
    }
}
