//! The lab's API server as real clients see it: kube, kubectl and bare HTTP. Needs no root.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod kubectl;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod watching;
#[cfg(test)]
mod world;
