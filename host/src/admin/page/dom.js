// Elements made from data. Text is always text: nothing here reads markup.

/** An element with a class and children (nodes, strings or numbers). */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

/** Fills a table: columns are { name, number, of(row), className(row) }. */
export function fill(table, columns, rows) {
  const head = element("tr", "", ...columns.map((c) => element("th", c.number ? "number" : "", c.name)));
  const lines = rows.map((row) =>
    element("tr", "", ...columns.map((column) => {
      const classes = [column.number ? "number" : "", column.className?.(row) ?? ""].join(" ").trim();
      return element("td", classes, column.of(row));
    })));
  table.replaceChildren(element("thead", "", head), element("tbody", "", ...lines));
}
