/*
 * The document of the API as a page to read: all operations by their groups, with what they take and answer. It has no
 * script, so that it needs nothing from anywhere and may be shown beside the portal.
 */

type Json = { readonly [key: string]: unknown };

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly description?: string;
    readonly schema: Json;
  }[];
  readonly requestBody?: { readonly content: Contents };
  readonly responses: Readonly<
    Record<string, { readonly description?: string; readonly content?: Contents }>
  >;
}
type Contents = Readonly<Record<string, { readonly schema: Json }>>;

export function referencePage(document: Json): string {
  const { info, paths, components } = document as {
    info: { title: string; version: string; description: string };
    paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
    components: { schemas: Readonly<Record<string, Json>> };
  };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const groups = [...Map.groupBy(operations, ({ operation }) => operation.tags[0] ?? '')].sort(([a], [b]) =>
    a.localeCompare(b, 'en'),
  );
  const contents = groups.map(([tag]) => `<a href="#${escaped(tag)}">${escaped(tag)}</a>`).join(' ');
  const sections = groups.map(
    ([tag, all]) =>
      `<section id="${escaped(tag)}"><h2>${escaped(tag)}</h2>${all
        .map(({ path, method, operation }) => described(path, method, operation))
        .join('')}</section>`,
  );
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="schema-${escaped(name)}"><summary>${escaped(name)}</summary>${shown(schema)}</details>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(info.title)}</title>
<style>${style}</style></head><body><main><h1>${escaped(info.title)} ${escaped(info.version)}</h1>
<p>${escaped(info.description)} For programs: <a href="openapi.json">openapi.json</a>.</p>
<nav>${contents} <a href="#schemas">schemas</a></nav>${sections.join('\n')}
<section id="schemas"><h2>schemas</h2>${schemas.join('')}</section></main></body></html>`;
}

function described(path: string, method: string, { operationId, summary, ...operation }: Operation): string {
  const rows = operation.parameters.map(
    ({ name, in: place, description = '', schema }) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${escaped(place)}</td><td>${escaped(String(schema.type ?? ''))}</td><td>${escaped(description)}</td></tr>`,
  );
  const parameters =
    rows.length === 0
      ? ''
      : `<table><thead><tr><th>parameter</th><th>in</th><th>type</th><th>meaning</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
  const answers = Object.entries(operation.responses)
    .filter(([status]) => status !== 'default')
    .map(
      ([status, { description = '', content }]) =>
        `<p>${status}: ${escaped(description)}</p>${bodyOf(content)}`,
    );
  const body =
    operation.requestBody === undefined ? '' : `<p>Body:</p>${bodyOf(operation.requestBody.content)}`;
  return `<details id="${escaped(operationId)}"><summary><b>${method.toUpperCase()}</b> <code>${escaped(path)}</code> ${escaped(summary)}</summary>${parameters}${body}${answers.join('')}</details>`;
}

const bodyOf = (content: Contents = {}): string =>
  Object.entries(content)
    .map(([type, { schema }]) => `<p><code>${escaped(type)}</code></p>${shown(schema)}`)
    .join('');

/** With links to the schemas that it refers to. */
const shown = (schema: Json): string =>
  `<pre>${escaped(JSON.stringify(schema, null, 2)).replace(
    /#\/components\/schemas\/(\w+)/g,
    '<a href="#schema-$1">$1</a>',
  )}</pre>`;

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => entities[character] ?? '');

const style = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0}
main{max-width:70rem;margin:auto;padding:1rem}nav a{margin-right:.5rem}summary{cursor:pointer;padding:.2rem 0}
pre{overflow:auto;padding:.5rem;border:1px solid #8884;border-radius:4px}td,th{text-align:left;padding:.1rem .6rem .1rem 0;vertical-align:top}`;
