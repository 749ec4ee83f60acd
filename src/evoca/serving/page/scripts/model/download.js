// Large files of the page itself, with progress.

/** Return the bytes of a file beside the page; `report(loaded, total)` is called on the way. */
export async function fetched(address, report) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address.pathname}: the host answers ${response.status}`);
  const coded = response.headers.get("Content-Encoding");
  const total = coded ? 0 : Number(response.headers.get("Content-Length")) || 0;
  const parts = [];
  let loaded = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    report((loaded += value.length), total);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Return bytes unpacked where they are gzip; some hosts unpack such files on the way, others not. */
export async function inflated(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
