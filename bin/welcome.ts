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
  const build = "printf 'FROM scratch\\nCOPY . /\\n' > Dockerfile";
  // Docker takes plain HTTP from localhost without a word; podman wants to be told.
  if (isThere('/var/run/docker.sock') || !isOnPath('podman')) {
    return [
      `docker login -u admin${password} ${registry}`,
      'mkdir hello && cd hello && date > hello.txt',
      build,
      `docker build -t ${image} .`,
      `docker push ${image}`,
    ];
  }
  const tls = plainHttp ? ' --tls-verify=false' : '';
  return [
    `podman login${tls} -u admin${password} ${registry}`,
    'mkdir hello && cd hello && date > hello.txt',
    build,
    `podman build -t ${image} .`,
    `podman push${tls} ${image}`,
  ];
}

const isThere = (path: string): boolean => existsSync(path);
const isOnPath = (program: string): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
const quoted = (path: string): string =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
