import { readFileSync } from 'node:fs';

const { version: found } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

export const version: string = found;

/** In the form of Harbor's, which clients read up to the first hyphen to learn what the API can. */
export const harborVersion = `v2.16.0-shiplog.${version}`;
