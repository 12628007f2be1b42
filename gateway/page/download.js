// Results are saved: one, or all in a ZIP.

import { album, watch } from "./album.js";
import { find, make, show } from "./dom.js";
import { downloadZip } from "./vendor/client-zip.js";

let current = null;

export function resultName({ name, result }) {
  const kind = result.report.content_type.replace("image/", "");
  return `${name.replace(/\.[^.]*$/, "") || "photo"}-restored.${kind === "jpeg" ? "jpg" : kind}`;
}

/** Names of which none is there twice, in upper and lower case. */
function uniqueNames(names) {
  const taken = new Set();
  return names.map((name) => {
    let unique = name;
    for (let number = 2; taken.has(unique.toLowerCase()); number += 1) unique = name.replace(/(\.[^.]*)$/, ` (${number})$1`);
    taken.add(unique.toLowerCase());
    return unique;
  });
}

async function downloadAll() {
  const photos = album.photos.filter(({ status }) => status === "done");
  const names = uniqueNames(photos.map(resultName));
  const zip = await downloadZip(photos.map(({ result }, at) => ({ name: names[at], input: result.image, lastModified: new Date() }))).blob();
  const link = make("a", { href: URL.createObjectURL(zip), download: "restored-photos.zip" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may still read it
}

function update() {
  const photo = album.selected;
  const image = photo?.status === "done" ? photo.result.image : null;
  if (image !== current) {
    URL.revokeObjectURL(find("download").href);
    if (image) Object.assign(find("download"), { href: URL.createObjectURL(image), download: resultName(photo) });
    current = image;
  }
  show({ download: Boolean(image) });
}

find("download-all").addEventListener("click", downloadAll);
watch((photo) => { if (!photo || photo === album.selected) update(); });
