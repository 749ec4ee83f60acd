"""What a recipe says, before anything is built: recipes, steps, profiles, backbones."""
