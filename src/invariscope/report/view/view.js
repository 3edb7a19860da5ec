// Asks the server for what is chosen, and moves photographs, numbers, marks and flips with the
// slider. All that is shown comes from the server as HTML in which names are escaped.
(() => {
  const find = (selector, inside = document) => inside.querySelector(selector);
  const all = (selector, inside = document) => Array.from(inside.querySelectorAll(selector));
  const parts = { choice: find("#choice"), cards: find("#cards"), layers: find("#layers") };
  const busy = find("#busy");
  const say = (text, working = true) => {
    busy.textContent = text;
    find("main").setAttribute("aria-busy", String(working));
  };
  const most = 8;
  let asked = 0; // what arrives for an older choice is thrown away

  // What is chosen stands after the address's "#", so that going back and reloading keep it.
  const state = { runs: [], metric: "", layer: "", off: [] };
  const read = () => {
    const kept = new URLSearchParams(location.hash.slice(1));
    for (const list of ["runs", "off"]) state[list] = (kept.get(list) || "").split(",").filter(Boolean);
    for (const name of ["metric", "layer"]) state[name] = kept.get(name) || "";
  };
  const keep = () => {
    const kept = new URLSearchParams();
    for (const list of ["runs", "off"]) if (state[list].length) kept.set(list, state[list].join(","));
    for (const name of ["metric", "layer"]) if (state[name]) kept.set(name, state[name]);
    history.replaceState(null, "", `${location.pathname}#${kept}`); // and the token leaves it
  };

  const ask = async (what, more = {}) => {
    const query = new URLSearchParams({ runs: state.runs.join(","), metric: state.metric, layer: state.layer, ...more });
    try {
      const answer = await fetch(`${what}?${query}`);
      return await answer.text();
    } catch {
      return '<p class="warning" role="alert">The view has ended: start it again.</p>';
    }
  };

  const chosen = (inside) => all("input[name=transformation]:checked", inside).map((box) => box.value);

  const cards = async () => {
    const mine = ++asked;
    const wanted = chosen(parts.choice);
    const kept = new Map(all(".card", parts.cards).map((card) => [card.dataset.name, card]));
    for (const [name, card] of kept) if (!wanted.includes(name)) card.remove();
    for (const [number, name] of wanted.entries()) {
      if (!kept.has(name)) {
        say(`Drawing ${number + 1} of ${wanted.length}`);
        const holder = document.createElement("div");
        holder.innerHTML = await ask("card", { transformation: name });
        if (mine !== asked) return;
        const card = holder.firstElementChild;
        card.dataset.name = name;
        kept.set(name, card);
        parts.cards.append(card);
        if (card.matches(".card")) enliven(card);
      }
      parts.cards.append(kept.get(name)); // in the order of the list
    }
    say("", false);
  };

  const show = async () => {
    const mine = ++asked;
    keep();
    if (!state.runs.length) {
      for (const part of Object.values(parts)) part.replaceChildren();
      say("No run is chosen.", false);
      return;
    }
    say("Reading");
    const choice = await ask("choice");
    if (mine !== asked) return;
    const focus = document.activeElement && parts.choice.contains(document.activeElement)
      ? [document.activeElement.name, document.activeElement.value] : null;
    const scrolled = all(".names").map((list) => list.scrollTop);
    parts.choice.innerHTML = choice;
    parts.cards.replaceChildren();
    for (const box of all("input[name=transformation]")) box.checked = !state.off.includes(box.value);
    all(".names").forEach((list, k) => {
      list.scrollTop = scrolled[k] || 0;
      const one = find("input[type=radio]:checked", list)?.closest("label");
      const below = one ? one.offsetTop - list.offsetTop : 0;
      if (one && (below < list.scrollTop || below + one.offsetHeight > list.scrollTop + list.clientHeight)) {
        list.scrollTop = below - list.clientHeight / 2;
      }
    });
    if (focus) all(`[name="${focus[0]}"]`, parts.choice).find((one) => one.value === focus[1] || one.matches("select"))?.focus();
    const layers = await ask("layers");
    if (mine !== asked) return;
    parts.layers.innerHTML = layers;
    await cards();
  };

  // The slider of a card moves everything on it.
  const shape = (kind, parent, set) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [name, value] of Object.entries(set)) made.setAttribute(name, value);
    parent.append(made);
    return made;
  };
  const enliven = (card) => {
    const slider = find("input[type=range]", card);
    const steps = all(".steps li", card);
    const drawn = all(".drawn", card).map((one) => {
      const places = JSON.parse(one.dataset.places);
      const picture = find("svg", one);
      const marker = shape("line", picture, { class: "marker", y1: places.span[0], y2: places.span[1] });
      const dots = Object.keys(places.y).map((run) => {
        const side = all(".side", card).find((own) => own.dataset.run === run);
        return [run, shape("circle", picture, { class: "dot", r: 5.5, style: `fill:${side.style.getPropertyValue("--mark")}` })];
      });
      return { places, marker, dots };
    });
    const put = (made, name, value) => {
      made.toggleAttribute("hidden", value === null);
      made.style.display = value === null ? "none" : "";
      if (value !== null) made.setAttribute(name, value);
    };
    const move = (aloud) => {
      const at = Number(slider.value);
      for (const { places, marker, dots } of drawn) {
        put(marker, "x1", places.x[at]);
        put(marker, "x2", places.x[at]);
        for (const [run, dot] of dots) {
          put(dot, "cx", places.x[at]);
          put(dot, "cy", places.x[at] === null ? null : places.y[run][at]);
        }
      }
      for (const stop of all(".stop", card)) stop.hidden = Number(stop.dataset.at) !== at;
      for (const flipped of all(".flipped", card)) {
        let shown = 0;
        for (const one of all(".one", flipped)) {
          one.hidden = !one.dataset.stops.split(" ").includes(String(at));
          shown += !one.hidden;
        }
        find(".none", flipped).hidden = shown > 0;
      }
      find("output", card).textContent = steps[at].dataset.label;
      slider.setAttribute("aria-valuetext", steps[at].dataset.label);
      if (aloud) find(".said", card).textContent = steps[at].textContent;
    };
    slider.addEventListener("input", () => move(true));
    move(false);
  };

  const filter = (box) => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const contains = (text) => words.every((word) => text.toLowerCase().includes(word));
    const rows = Array.from(find(box.dataset.filters).children);
    for (const row of rows) row.hidden = !contains(row.textContent);
    if (box.id === "find-run") {
      const shown = rows.filter((row) => !row.hidden).length;
      find("#run-status").textContent = words.length ? `${shown} of ${rows.length} runs.` : "";
    }
    if (box.id === "find-layer") {
      for (const row of all(".heat tbody tr:not(.part)", parts.layers)) row.hidden = !contains(row.cells[0].textContent);
    }
  };

  const copy = async (button) => {
    const label = (button.dataset.label ??= button.textContent);
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      say("Copied.", false);
    } catch {
      button.textContent = "The browser does not allow it";
      say("Not copied: the browser does not allow it.", false);
    }
    clearTimeout(button.waits);
    button.waits = setTimeout(() => { button.textContent = label; }, 1500);
  };

  document.addEventListener("input", (event) => {
    if (event.target.dataset.filters) filter(event.target);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.copy) copy(button);
    if (button.dataset.all !== undefined) {
      for (const box of all("#transformation-names label:not([hidden]) input")) box.checked = Boolean(button.dataset.all);
      settle();
    }
  });
  document.addEventListener("submit", (event) => event.preventDefault());
  const settle = () => {
    state.off = all("input[name=transformation]:not(:checked)").map((box) => box.value);
    keep();
    cards();
  };
  document.addEventListener("change", (event) => {
    const { name, value, checked } = event.target;
    if (name === "run") {
      state.runs = checked ? [...state.runs, value] : state.runs.filter((run) => run !== value);
      if (state.runs.length > most) {
        event.target.checked = false;
        state.runs.pop();
        say(`${most} runs at most.`, false);
        return;
      }
      show();
    } else if (name === "metric" || name === "layer") {
      state[name] = value;
      show();
    } else if (name === "transformation") {
      settle();
    }
  });

  read();
  const boxes = all("input[name=run]");
  state.runs = state.runs.filter((run) => boxes.some((box) => box.value === run));
  if (!state.runs.length && boxes.length) state.runs = [boxes[0].value];
  for (const box of boxes) box.checked = state.runs.includes(box.value);
  show();
})();
