// Sorts the rows of a table by the column whose button is pressed; cells without a value stay last.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const status = document.getElementById("sort-status");
  const headings = [...table.tHead.rows[0].cells];
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    if (!("value" in cell.dataset)) return cell.textContent.trim();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  headings.forEach((heading, column) => {
    const button = heading.querySelector("button");
    if (button === null) return;
    button.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      for (const other of headings) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].sort((first, second) => {
        const [a, b] = [valueOf(first, column), valueOf(second, column)];
        if (a === null || b === null) return (a === null) - (b === null);
        const order = typeof a === "number" ? a - b : a.localeCompare(b);
        return descending ? -order : order;
      });
      table.tBodies[0].append(...rows);
      status.textContent = `Sorted by ${button.textContent.trim()}, ${descending ? "descending" : "ascending"}`;
    });
  });
}
