/** An action on a resource, in Harbor's words: `repository:pull`. */
export type Permission = `${string}:${string}`;
