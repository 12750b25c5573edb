/** The most bytes of a config that are read. */
export const maxConfigBytes = 256 * 1024;
/** The most characters of the attributes as JSON. */
const maxCharacters = 32 * 1024;
/** Deeper ones could not be written as JSON again by every reader. */
const maxDepth = 32;

export type Attributes = Readonly<Record<string, unknown>>;

const images: readonly string[] = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
];

/** Whether the config with this descriptor may say something. */
export const isDescriptive = ({
  mediaType,
  size,
}: {
  readonly mediaType: string;
  readonly size: number;
}): boolean => /^application\/(?:.+\+)?json$/.test(mediaType) && size > 2 && size <= maxConfigBytes;

/**
 * What the management API shows as `extra_attrs`: of an image the parts of its config that describe it, of anything else
 * the whole config. Empty where the config is no JSON object, or has more to say than a list can show.
 */
export function attributesIn(mediaType: string, config: Uint8Array): Attributes {
  const document = parsed(config);
  if (document === undefined) return {};
  const attributes = images.includes(mediaType) ? ofImage(document) : document;
  if (depthOf(attributes, maxDepth) > maxDepth) return {};
  return JSON.stringify(attributes).length > maxCharacters ? {} : attributes;
}

function ofImage({ created, author, architecture, os, config }: Attributes): Attributes {
  const texts = Object.entries({ created, author, architecture, os });
  return {
    ...Object.fromEntries(texts.filter(([, text]) => typeof text === 'string' && text !== '')),
    ...(isObject(config) && { config }),
  };
}

function parsed(bytes: Uint8Array): Attributes | undefined {
  if (bytes.length > maxConfigBytes) return undefined;
  try {
    const document: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return isObject(document) ? document : undefined;
  } catch (error) {
    // A config may be anything; only its own tools have to read it.
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

const isObject = (value: unknown): value is Attributes =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Of a value that has no more levels than `limit`; of any other something above. */
function depthOf(value: unknown, limit: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (limit < 0) return 1;
  return 1 + Math.max(0, ...Object.values(value).map((inner) => depthOf(inner, limit - 1)));
}
