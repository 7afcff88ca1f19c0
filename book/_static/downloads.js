/* A link below each table and plot: its numbers as CSV, the plot as PNG or SVG. Nothing is stored
 * twice: the file is made of what the page shows, when a reader asks for it. */
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const page = location.pathname.split("/").pop().replace(/\.html$/, "") || "page";

  function save(name, address) {
    const link = Object.assign(document.createElement("a"), { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
  }

  /* Cells as they are read; an interval, on the second line of a cell, has a column of its own. */
  function csv(table) {
    const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const grid = [], filled = [];
    for (const [y, row] of [...table.rows].entries()) {
      grid[y] ??= [];
      for (const cell of row.cells) {
        let x = 0;
        while (grid[y][x] !== undefined) x++;
        const text = cell.textContent.trim().replaceAll("\u2212", "-"); // a minus sign
        for (let down = 0; down < cell.rowSpan && y + down < table.rows.length; down++) {
          for (let right = 0; right < cell.colSpan; right++) {
            (grid[y + down] ??= [])[x + right] = text;
            if (text.includes("\n")) filled[x + right] = true;
          }
        }
      }
    }
    const head = table.tHead ? table.tHead.rows.length : 0;
    const lines = grid.map((row, y) => row.flatMap((text, x) => {
      if (!filled[x]) return [text];
      return y < head ? [text, `${text} 95 %`] : [text, ""].map((_, n) => text.split("\n")[n] ?? "");
    }));
    return lines.map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
  }

  /* The plot on white, twice as large as the SVG says, so that it can be printed. */
  function png(image, name) {
    const canvas = document.createElement("canvas");
    canvas.width = 2 * image.naturalWidth;
    canvas.height = 2 * image.naturalHeight;
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    save(name, canvas.toDataURL("image/png"));
  }

  function offer(after, what, files) {
    const line = document.createElement("p");
    line.className = "geg-files";
    for (const [label, make] of Object.entries(files)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.setAttribute("aria-label", `${what} as ${label}`);
      button.addEventListener("click", make);
      line.append(button);
    }
    after.after(line);
  }

  document.querySelectorAll(".geg-scroll").forEach((box, n) => {
    const table = box.querySelector("table"), under = box.nextElementSibling;
    const after = under?.classList.contains("geg-under") ? under : box;
    const address = () => "data:text/csv;charset=utf-8," + encodeURIComponent(csv(table));
    offer(after, "Table", { CSV: () => save(`${page}-table-${n + 1}.csv`, address()) });
  });
  document.querySelectorAll(".geg-panels").forEach((box, n) => {
    for (const [m, image] of box.querySelectorAll("img").entries()) {
      const name = `${page}-figure-${n + 1}${String.fromCharCode(97 + m)}`;
      const holder = document.createElement("div");
      image.replaceWith(holder);
      holder.append(image);
      offer(image, "Figure", {
        PNG: () => png(image, `${name}.png`),
        SVG: () => save(`${name}.svg`, image.src),
      });
    }
  });
});
