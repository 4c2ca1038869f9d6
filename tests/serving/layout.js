// Returns what is wrong with how a page is laid out and named, for browsing.py.
() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.body.querySelectorAll("*")]
      .filter((each) => each.getBoundingClientRect().right > root.clientWidth + 1)
      .map((each) => `${each.tagName} ${each.className}`);
    found.push(`${root.scrollWidth} wide in ${root.clientWidth}: ${wide.join(", ")}`);
  }
  for (const control of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!control.labels.length && !control.ariaLabel) found.push(`no label: ${control.outerHTML}`);
  }
  for (const control of document.querySelectorAll("button, a")) {
    if (!control.textContent.trim() && !control.ariaLabel) found.push(`no name: ${control.outerHTML}`);
  }
  for (const wrong of document.querySelectorAll("[aria-invalid]")) {
    const said = (wrong.getAttribute("aria-describedby") ?? "").split(" ");
    const texts = said.map((id) => document.getElementById(id)?.textContent.trim());
    if (!texts.every(Boolean)) found.push(`not described: ${wrong.outerHTML}`);
  }
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  if (!document.title) found.push("no title");
  return found;
}
