// Calls the service. A busy service is asked again when it says so.

const TRIES = 6;
const ROOT = new URL("../", import.meta.url);
let key = sessionStorage.getItem("imagist-key") || "";

export class ServiceError extends Error {
  constructor(status, problem) {
    super(problem.detail || `the service answered ${status}`);
    this.status = status;
    this.kind = problem.kind || "unknown";
    this.results = problem.results || [];
  }
}

export function useKey(text) {
  key = text;
  sessionStorage.setItem("imagist-key", text);
}

export function models() {
  return call("v1/models", {});
}

// The record of one image, and what the answer says beside it.
export async function ask(task, image, options) {
  const form = new FormData();
  form.append("images", image.blob, image.name);
  for (const [name, value] of Object.entries(options)) {
    if (value !== null && value !== undefined && value !== "") form.append(name, String(value));
  }
  const answer = await call(`v1/${task}`, { method: "POST", body: form });
  return { ...answer, record: answer.results[0] };
}

// What each account posts about: a document, or with the kind text/html a page.
export function profiles(posts, kind = "application/json") {
  const headers = { "Content-Type": "application/json", Accept: kind };
  return call("v1/profiles", { method: "POST", body: JSON.stringify({ posts }), headers });
}

async function call(path, request) {
  for (let tries = 1; ; tries += 1) {
    let answer;
    try {
      const headers = { ...request.headers, ...(key ? { "X-Api-Key": key } : {}) };
      answer = await fetch(new URL(path, ROOT), { ...request, headers });
    } catch {
      throw new ServiceError(0, { detail: "the service cannot be reached", kind: "unreachable" });
    }
    if (answer.ok) return answer.headers.get("Content-Type").startsWith("text/html") ? answer.blob() : answer.json();
    const after = Number(answer.headers.get("Retry-After"));
    if ((answer.status === 429 || answer.status === 503) && after && tries < TRIES) {
      await new Promise((done) => setTimeout(done, 1000 * after));
      continue;
    }
    throw new ServiceError(answer.status, await answer.json().catch(() => ({})));
  }
}
