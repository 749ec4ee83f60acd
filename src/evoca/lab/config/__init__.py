"""The content of a recipe, before anything is built: recipes, steps, profiles, backbones."""
