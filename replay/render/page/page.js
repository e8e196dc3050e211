
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const steps = [...document.querySelectorAll(".step")];
  const groups = [...document.querySelectorAll(".steps")];
  const panel = $("event"), slider = $("slider"), form = document.querySelector(".time");
  const rowAt = new Map(steps.map((step, place) => [Number(step.id.slice(1)), place]));
  const troubled = (step) => step.matches(".bad, .odd");
  let chosen = -1, focused = 0, shown = steps.length - 1;

  // Data stays text until it is asked for: a page of thousands of events opens without parsing one.
  const dataOf = (place) => JSON.parse(steps[place].querySelector("script").textContent);
  let effectsAt = null;
  function effectsOf(at) {
    if (effectsAt === null) {
      effectsAt = new Map();
      steps.forEach((_, place) => {
        const { at: position, cause } = dataOf(place);
        if (cause) effectsAt.set(cause[0], [...(effectsAt.get(cause[0]) ?? []), position]);
      });
    }
    return effectsAt.get(at) ?? [];
  }

  // Everything that agents wrote becomes text nodes, never markup.
  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children.filter((child) => child !== null));
    return made;
  }
  function reference(at) {
    const here = rowAt.has(at);
    return here ? element("a", { href: `#e${at}`, "data-jump": at }, `@${at}`) : element("code", {}, `@${at}`);
  }
  function linked(text) {
    const parts = text.split(/(@\d+)/);
    return parts.map((part, index) => (index % 2 ? reference(Number(part.slice(1))) : part));
  }
  function list(title, items) {
    return [element("h3", {}, title), element("ul", {}, ...items.map((item) => element("li", {}, ...item)))];
  }

  function causesOf(data) {
    const items = [];
    while (data.cause) {
      const [at, sentence] = data.cause;
      items.push([reference(at), ` ${sentence}`, element("small", {}, "← ", ...linked(data.why), data.recorded ? "" : " (derived)")]);
      if (!rowAt.has(at) || items.length >= 8) return { items, more: rowAt.has(at) };
      data = dataOf(rowAt.get(at));
    }
    items.push([element("small", {}, ...linked(data.why))]);
    return { items, more: false };
  }

  function show(place) {
    const data = dataOf(place), effects = effectsOf(data.at), causes = causesOf(data);
    const facts = { at: `${data.time} (${data.offset})`, actor: data.actor, id: data.id, tags: data.tags.join("\n") };
    const close = element("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
    close.addEventListener("click", () => dismiss());
    const told = effects.map((at) => [reference(at), ` ${dataOf(rowAt.get(at)).sentence}`]);
    told.push(...data.elsewhere.map(([at, sentence]) => [reference(at), ` ${sentence}`]));
    panel.replaceChildren(
      close,
      element("h2", {}, `@${data.at} ${data.type}`),
      element("p", {}, data.sentence),
      element("dl", {}, ...Object.entries(facts).flatMap(([key, value]) => [element("dt", {}, key), element("dd", {}, value)])),
      ...list(causes.more ? "causes, the nearest ones" : "causes", causes.items),
      ...(told.length ? list(told.length > 1 ? "effects" : "effect", told) : []),
      ...(data.content.length ? [element("h3", {}, "content"), element("pre", {}, data.content.join("\n"))] : []),
      element("h3", {}, "facts"), element("pre", {}, data.facts.join("\n")),
    );
    panel.scrollTop = 0;
    panel.classList.add("open");
    document.querySelectorAll(".cause, .effect").forEach((step) => step.classList.remove("cause", "effect"));
    for (let cause = data.cause; cause && rowAt.has(cause[0]); cause = dataOf(rowAt.get(cause[0])).cause)
      steps[rowAt.get(cause[0])].classList.add("cause");
    effects.forEach((at) => steps[rowAt.get(at)].classList.add("effect"));
  }

  const linkOf = (place) => steps[place].querySelector("a");
  function point(place, focus = true) {
    linkOf(focused).tabIndex = -1;
    focused = place;
    linkOf(focused).tabIndex = 0;
    if (place > shown) travel(place);
    if (!focus) return;
    linkOf(focused).focus({ preventScroll: true });
    steps[focused].scrollIntoView({ block: "nearest" });
  }
  function choose(place) {
    if (chosen >= 0) { steps[chosen].classList.remove("chosen"); linkOf(chosen).removeAttribute("aria-current"); }
    chosen = place;
    steps[chosen].classList.add("chosen");
    linkOf(chosen).setAttribute("aria-current", "true");
    show(chosen);
    history.replaceState(null, "", `#${steps[chosen].id}`);
    steps[chosen].scrollIntoView({ block: "nearest" }); // from behind the sheet that the event is on, on a narrow screen
  }
  function dismiss() {
    if (chosen < 0) return;
    document.querySelectorAll(".chosen, .cause, .effect").forEach((step) => step.classList.remove("chosen", "cause", "effect"));
    linkOf(chosen).removeAttribute("aria-current");
    chosen = -1;
    panel.classList.remove("open");
    panel.replaceChildren(element("p", { class: "hint" }, "Choose a step to see its event."));
    history.replaceState(null, "", location.pathname + location.search);
    point(focused);
  }
  function jump(at) {
    if (!rowAt.has(at)) return;
    point(rowAt.get(at));
    choose(focused);
  }
  function nextTrouble() {
    const after = steps.findIndex((step, place) => place > focused && troubled(step));
    const place = after >= 0 ? after : steps.findIndex(troubled);
    if (place >= 0) jump(Number(steps[place].id.slice(1)));
  }

  // The slider: the session as it stood after each step. Only the rows between the old place and the new are touched.
  function travel(place) {
    for (let row = Math.min(place, shown) + 1; row <= Math.max(place, shown); row++)
      steps[row].classList.toggle("future", row > place);
    for (const rows of groups) rows.classList.toggle("future", rows.firstElementChild.classList.contains("future"));
    const back = place < shown;
    shown = place;
    slider.value = place;
    const { at, offset, stood } = dataOf(place);
    const parts = [`@${at}`, offset, stood.state, stood.waits];
    if (stood.busy) parts.push(`at work: ${stood.busy}`);
    if (stood.gone) parts.push(`gone: ${stood.gone}`);
    $("stood").value = `${parts.join(" · ")} · step ${place} of ${steps.length - 1}`;
    slider.setAttribute("aria-valuetext", parts.join(", "));
    document.querySelector(".outcome").classList.toggle("future", place < steps.length - 1);
    if (back && focused > place) point(place, false);
    if (back && chosen > place) dismiss();
  }
  function scrub(place) {
    travel(Math.max(0, Math.min(place, steps.length - 1)));
    steps[shown].scrollIntoView({ block: "nearest", behavior: "instant" });
  }

  const moves = {
    ArrowDown: () => focused + 1, ArrowUp: () => focused - 1, PageDown: () => focused + 10, PageUp: () => focused - 10,
    Home: () => 0, End: () => steps.length - 1,
  };
  document.addEventListener("keydown", (key) => {
    if (key.ctrlKey || key.metaKey || key.altKey) return;
    const inRows = key.target.closest?.(".steps"), inPanel = key.target.closest?.("aside");
    if (key.key === "Escape") dismiss();
    // Tab goes where it would go anyway: into the rows and out of them. Left to itself a browser lays out thousands of
    // rows to find that out.
    else if (key.key === "Tab" && !key.shiftKey && document.activeElement === document.body) point(focused);
    else if (key.key === "Tab" && !key.shiftKey && inRows) (panel.querySelector("button") ?? $("back")).focus();
    else if (key.key === "n" && key.target !== slider) nextTrouble();
    else if (inRows && moves[key.key]) {
      point(Math.max(0, Math.min(moves[key.key](), steps.length - 1)));
      if (chosen >= 0) choose(focused);
    } else if ((inRows || inPanel) && key.key === "ArrowLeft") jump(dataOf(focused).cause?.[0]);
    else if ((inRows || inPanel) && key.key === "ArrowRight") jump(effectsOf(dataOf(focused).at)[0]);
    else return;
    key.preventDefault();
  });
  document.addEventListener("click", (click) => {
    const row = click.target.closest(".step > a"), link = click.target.closest("a[data-jump]");
    if (!row && !link) return;
    click.preventDefault();
    jump(link ? Number(link.dataset.jump) : Number(row.parentElement.id.slice(1)));
    if (row && click.detail === 0) panel.focus({ preventScroll: true }); // Enter
  });
  slider.addEventListener("input", () => scrub(Number(slider.value)));
  $("back").addEventListener("click", () => scrub(shown - 1));
  $("on").addEventListener("click", () => scrub(shown + 1));
  $("trouble").addEventListener("click", nextTrouble);
  form.addEventListener("submit", (event) => event.preventDefault());

  form.hidden = false;
  steps.forEach((_, place) => { if (place) linkOf(place).tabIndex = -1; });
  travel(shown);
  const wanted = Number(/^#e(\d+)$/.exec(location.hash)?.[1]);
  if (rowAt.has(wanted)) jump(wanted);
})();
