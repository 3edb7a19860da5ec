// Sorting of the tables of numbers, filtering of the long one. Without this script they are plain.
(() => {
  const collator = new Intl.Collator("en", { numeric: true });
  // Numbers are written for people: a true minus, "±40°", "×1.5"; an en dash means undefined.
  const number = (text) => {
    const found = text.replace(/\u2212/g, "-").match(/-?\d+(\.\d+)?/);
    return found ? parseFloat(found[0]) : NaN;
  };
  const compare = (a, b, numeric, sign) => {
    if (!numeric) return sign * collator.compare(a, b);
    const [x, y] = [number(a), number(b)];
    if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y); // undefined comes last either way
    return sign * (x - y);
  };
  const say = (table, text) => {
    const status = table.closest("section").querySelector("[role=status]");
    if (status) status.textContent = text;
  };
  const makeSortable = (table) => {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      const title = head.textContent;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = title;
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const ascending = head.getAttribute("aria-sort") !== "ascending";
        for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        const numeric = head.dataset.type === "number";
        const text = (row) => row.cells[column].textContent;
        rows.sort((a, b) => compare(text(a), text(b), numeric, ascending ? 1 : -1));
        body.append(...rows);
        say(table, `Sorted by ${title.toLowerCase()}, ${ascending ? "ascending" : "descending"}.`);
      });
    });
  };
  for (const each of document.querySelectorAll("#table, table.sortable")) makeSortable(each);
  const table = document.getElementById("table");
  if (!table) return;
  const filter = document.getElementById("filter");
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = Array.from(row.cells, (cell) => cell.textContent).join(" ").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    const all = table.tBodies[0].rows.length;
    say(table, `${shown.toLocaleString("en")} of ${all.toLocaleString("en")} rows.`);
  });
  filter.closest(".tools").hidden = false;
})();
