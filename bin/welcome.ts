import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface Welcome {
  /** What clients write before a repository's name: `localhost:8080`. */
  readonly registry: string;
  readonly url: string;
  /** Whether clients have to be told that there is no TLS. */
  readonly plainHttp: boolean;
  /** The file with the administrator's first password; undefined where the operator has configured one. */
  readonly passwordFile: string | undefined;
}

/** What a person at a terminal reads once Shiplog serves. */
export function welcome({ registry, url, plainHttp, passwordFile }: Welcome): string {
  const password = passwordFile === undefined ? 'as configured' : `in ${passwordFile}`;
  return [
    '',
    `Shiplog serves at ${url}`,
    `The administrator is admin; the password is ${password}`,
    '',
    'To push a first image:',
    ...firstPush(registry, plainHttp, passwordFile).map((line) => `  ${line}`),
    '',
  ].join('\n');
}

function firstPush(registry: string, plainHttp: boolean, passwordFile: string | undefined): string[] {
  const image = `${registry}/library/hello:1.0`;
  const password = passwordFile === undefined ? '' : ` --password-stdin < ${quoted(passwordFile)}`;
  // First podman, where both are there: `docker` may be podman under another name, which wants to be told that there
  // is no TLS, while Docker takes that from localhost without a word and knows no such option.
  const podman = isOnPath('podman');
  const program = podman ? 'podman' : 'docker';
  const tls = podman && plainHttp ? ' --tls-verify=false' : '';
  return [
    `${program} login${tls} -u admin${password} ${registry}`,
    // A fresh folder, so that the lines can be run again, and nothing else that lies around gets into the image.
    'cd "$(mktemp -d)" && date > hello.txt',
    "printf 'FROM scratch\\nCOPY hello.txt /\\n' > Dockerfile",
    `${program} build -t ${image} .`,
    `${program} push${tls} ${image}`,
  ];
}

const isOnPath = (program: string): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
const quoted = (path: string): string =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
