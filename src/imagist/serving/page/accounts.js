// Accounts: images of folders are classified one by one; tables are classified already. Then the service profiles them.

import { ask, profiles } from "./api.js";
import { by, element, percent } from "./elements.js";

const AT_ONCE = 4;
const IMAGE = /\.(jpe?g|png|webp|gif|bmp|avif|heic)$/i;
const ACCOUNT = ["account", "username", "owner", "user", "author", "profile"];

function tell(text) {
  by("status").textContent = text;
}

// Records with their accounts, which are the folders that the images lie in.
async function ofFolder(files) {
  const images = [...files].filter((file) => IMAGE.test(file.name));
  const found = [];
  let next = 0;
  let failed = 0;
  const work = async () => {
    while (next < images.length) {
      const file = images[next];
      next += 1;
      const path = file.webkitRelativePath || file.name;
      try {
        const { record } = await ask("classify", { blob: file, name: file.name }, {});
        found.push({ ...record, source: path, account: path.split("/").at(-2) || "account" });
      } catch (error) {
        if (!error.results?.length) throw error;
        failed += 1;
      }
      tell(`${found.length + failed} of ${images.length} images`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found;
}

async function ofTable(file) {
  const rows = (await file.text()).split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line));
  const column = ACCOUNT.find((name) => rows[0] && name in rows[0]);
  if (!column) throw new Error(`the table has no column of accounts, such as ${ACCOUNT.slice(0, 3).join(", ")}`);
  return rows.filter((row) => row.probabilities && row[column]).map((row) => ({ ...row, account: String(row[column]) }));
}

async function show(posts) {
  if (!posts.length) throw new Error("there are no posts");
  const fields = ["account", "source", "post", "date", "likes", "probabilities", "caption"];
  const sent = posts.map((post) => Object.fromEntries(fields.filter((name) => post[name] != null).map((name) => [name, post[name]])));
  const { accounts } = await profiles(sent);
  const page = await profiles(sent, "text/html");
  const link = by("board");
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(page);
  link.hidden = false;
  const heads = ["account", "posts", "first category", "probability", "share", "95% interval", "more posts"];
  const rows = accounts.map((each) => [
    each.account, each.posts, each.leading, percent(each.leading_probability), percent(each.leading_share),
    `${percent(each.leading_low)} to ${percent(each.leading_high)}`, each.more_posts ?? "over 10,000",
  ]);
  const cells = (row, tag) => element("tr", {}, ...row.map((cell) => element(tag, {}, String(cell))));
  const table = element("table", {}, element("thead", {}, cells(heads, "th")), element("tbody", {}, ...rows.map((row) => cells(row, "td"))));
  by("table").replaceChildren(element("div", { class: "scroll" }, table));
  by("table").hidden = false;
  tell(`${accounts.length} accounts`);
}

async function begin(read) {
  try {
    tell("…");
    await show(await read());
  } catch (error) {
    tell(error.message);
  }
}

by("folder").addEventListener("click", () => by("folders").click());
by("table-of-posts").addEventListener("click", () => by("tables").click());
by("folders").addEventListener("change", (event) => begin(() => ofFolder(event.target.files)));
by("tables").addEventListener("change", (event) => begin(() => ofTable(event.target.files[0])));
