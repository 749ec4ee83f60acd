.PHONY: bench card check docs elsewhere model papers

check:
	bash .ci/run

# The documentation as a site, in build/site; a warning, such as a dead link, is an error.
docs:
	uv run --all-extras python docs/build.py
	uv run --all-extras zensical build --strict

bench:
	uv run --all-extras python benchmarks/startup.py
	uv run --all-extras python benchmarks/latency.py
	uv run --all-extras python benchmarks/footprint.py

# Makes the bundled model again from labelled photographs: make model DATA=path/to/fi NAME="what it is"
model:
	rm -rf runs/default runs/bundle
	uv run --all-extras evoca train default --data $(DATA) --data-name "$(NAME)" --out runs/default
	uv run --all-extras evoca export runs/default --out runs/bundle --prior natural
	rm -rf src/evoca/models/default
	cp -r runs/bundle src/evoca/models/default

# Writes docs/papers.md again from src/evoca/papers/*.yaml.
papers:
	uv run --all-extras python -m evoca.papers > docs/papers.md

# Writes the bundled model's card again from its model.json.
card:
	uv run --all-extras evoca models card src/evoca/models/default

# Puts figures on other pictures into that card: make elsewhere OASIS=path/to/oasis EMOTION6=path/to/emotion6
elsewhere:
	rm -rf runs/oasis runs/emotion6
	mkdir -p runs
	uv run --all-extras evoca data build oasis $(OASIS) --map-to polarity --variant valence-midpoint --out runs/oasis.csv
	uv run --all-extras evoca evaluate default --data runs/oasis.csv --out runs/oasis
	uv run --all-extras evoca data build emotion6 $(EMOTION6) --out runs/emotion6.csv
	uv run --all-extras evoca evaluate default --data runs/emotion6.csv --restrict --out runs/emotion6
	uv run --all-extras evoca models card src/evoca/models/default \
		--evaluation "OASIS (Kurdi et al. 2017), photographs, positive or negative by their mean valence against 4, the middle of its scale=runs/oasis" \
		--evaluation "Emotion6 (Peng et al. 2015), photographs, its viewers' shares of the four emotions that are among the model's, the model restricted to them=runs/emotion6" \
		--caution "Penalty, temperature and set threshold were chosen inside the training parts; its features were chosen among about fifteen candidates on the same 600 photographs, which adds 1.1 points (0.2 to 2.2) to its accuracy (benchmarks/feature_choice.py)."
