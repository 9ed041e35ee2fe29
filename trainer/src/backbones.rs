//! A network with every feature recipe that models may be made with. The packed weights are there once.

use domain::ids::Digest;
use domain::model::BackboneRef;
use engine::{Backbone, EngineError, Recipe};

/// One network, several recipes.
#[derive(Clone, Debug)]
pub struct Backbones {
    each: Vec<Backbone>,
    lineup: Backbone,
}

impl Backbones {
    /// The first recipe is the network's own: it is taken where nothing speaks for another.
    ///
    /// # Errors
    /// A recipe does not fit the architecture.
    pub fn new(network: &Backbone, others: &[Recipe]) -> Result<Self, EngineError> {
        let mut each = vec![network.clone()];
        for recipe in others.iter().filter(|recipe| !network.recipes().contains(recipe)) {
            each.push(network.taking(&[*recipe])?);
        }
        let recipes: Vec<Recipe> = each.iter().flat_map(|backbone| backbone.recipes().to_vec()).collect();
        Ok(Self {
            lineup: network.taking(&recipes)?,
            each,
        })
    }

    /// By the first recipe.
    ///
    /// # Panics
    /// Never: there is always one.
    #[must_use]
    pub fn first(&self) -> &Backbone {
        self.each.first().expect("a network has a recipe of its own")
    }

    /// All of them, the first one first.
    #[must_use]
    pub fn each(&self) -> &[Backbone] {
        &self.each
    }

    /// By all recipes, one behind the other, in the order of [`Self::each`].
    #[must_use]
    pub const fn lineup(&self) -> &Backbone {
        &self.lineup
    }

    /// The one that a model names.
    #[must_use]
    pub fn find(&self, digest: &Digest) -> Option<&Backbone> {
        self.each.iter().find(|backbone| backbone.digest() == *digest)
    }

    /// The one with this recipe.
    #[must_use]
    pub fn by_recipe(&self, recipe: &str) -> Option<&Backbone> {
        self.each
            .iter()
            .find(|backbone| backbone.recipes().iter().any(|own| own.to_string() == recipe))
    }

    /// How models name them.
    #[must_use]
    pub fn references(&self) -> Vec<BackboneRef> {
        self.each.iter().map(Backbone::reference).collect()
    }
}
