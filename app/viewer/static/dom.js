// Nodes of the page. Children that are strings become text, never markup.

export function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A label around a control, with words before it.
export function labelled(text, control) {
  return node("label", {}, node("span", {}, text), control);
}

export function choice(name, options, value) {
  const made = node("select", { "aria-label": name });
  made.append(...options.map(([key, text]) => node("option", { value: key }, text)));
  if (value !== undefined) made.value = value;
  return made;
}
