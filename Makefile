.PHONY: bench card check model papers

check:
	bash .ci/run

bench:
	uv run --all-extras python benchmarks/startup.py
	uv run --all-extras python benchmarks/latency.py
	uv run --all-extras python benchmarks/footprint.py

# Makes the bundled model again from labelled photographs: make model DATA=path/to/fi NAME="what it is"
model:
	rm -rf runs/default runs/bundle
	uv run --all-extras evoca train default --data $(DATA) --data-name "$(NAME)" --out runs/default
	uv run --all-extras evoca export runs/default --out runs/bundle
	rm -rf src/evoca/models/default
	cp -r runs/bundle src/evoca/models/default

# Writes docs/papers.md again from src/evoca/papers/*.yaml.
papers:
	uv run --all-extras python -m evoca.papers > docs/papers.md

# Writes the bundled model's card again from its model.json.
card:
	uv run --all-extras evoca models card src/evoca/models/default
