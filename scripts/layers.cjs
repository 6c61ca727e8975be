/** Who may import whom; the picture is in server/docs/architecture.md. Run by `npm run check`. */
const domain = 'accounts|app-services|user-data|encryption|media|delayed-events|sync'
const tests = '\\.test\\.ts$|^spec-tests/|/test-[a-z-]+\\.ts$'
/** The floor below everything: tools, and the pure rules of the protocol. */
const floor = '^server/(lib|matrix)/'

/** Code in `from` uses nothing of ours and no package but what `to` lists, not even a type. */
function only(name, comment, from, to) {
  return {
    name,
    comment,
    severity: 'error',
    from: { path: from, pathNot: tests },
    to: { pathNot: to, dependencyTypesNot: ['core'] },
  }
}

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle has no bottom to begin reading at; nor has one of types.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unknown-imports',
      comment: 'What cannot be resolved cannot be checked.',
      severity: 'error',
      from: {},
      // That is ourselves, by the name under which others know us.
      to: { couldNotResolve: true, pathNot: '^hourglass/testing$' },
    },
    {
      name: 'matrix-is-pure',
      comment: 'The protocol knows no time, no database, no socket and nobody who is asking.',
      severity: 'error',
      from: { path: '^server/matrix/', pathNot: tests },
      to: {
        pathNot: [
          '^server/matrix/',
          '^server/lib/json\\.ts$',
          '^(node:)?crypto$',
          '^node_modules/(@types/)?(tweetnacl|canonical-json)/',
        ],
      },
    },
    only('lib-has-never-heard-of-matrix', 'Tools import tools.', '^server/lib/', [
      '^server/lib/',
      '^node_modules/(pino|ipaddr\\.js)/',
    ]),
    {
      name: 'sql-stays-in-db',
      comment: 'Only db/ speaks SQL; tests and scripts may look behind the curtain.',
      severity: 'error',
      from: { path: '^server/', pathNot: tests },
      to: { path: '^node_modules/(@types/)?(kysely|pg|@electric-sql)/' },
    },
    {
      name: 'db-takes-only-types-from-server',
      comment: 'Tables know no rules. Time and names come in as parameters.',
      severity: 'error',
      from: { path: '^db/', pathNot: tests },
      to: { path: '^server/(?!lib/)', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'express-stays-in-http',
      comment: 'So that express can be changed for another in days.',
      severity: 'error',
      // The bench measures express alone, as the ceiling.
      from: { pathNot: '^server/http/|^scripts/bench/ceiling-server\\.ts$' },
      to: { path: '^node_modules/(@types/)?express' },
    },
    {
      name: 'zod-stays-at-the-doors',
      comment: 'Parsed at the doors, trusted inside.',
      severity: 'error',
      from: {
        path: '^(server|db)/',
        pathNot: `^server/(http|client-api|federation-api|lab|options)/|^server/config\\.ts$|^server/accounts/uia\\.ts$|^server/app-services/registration-file\\.ts$|${tests}`,
      },
      to: { path: '^node_modules/zod/' },
    },
    only(
      'stream-is-below-rooms',
      'It orders and wakes; it does not know an event.',
      '^server/stream/',
      ['^server/stream/', floor, '^db/'],
    ),
    only(
      'rooms-are-below-the-rest',
      'Rooms are the ground floor of the domain.',
      '^server/rooms/',
      ['^server/(rooms|stream)/', '^server/(ground|requester)\\.ts$', floor, '^db/'],
    ),
    {
      name: 'domain-siblings-are-strangers',
      comment: 'What two of them need belongs in rooms/, stream/ or db/.',
      severity: 'error',
      from: { path: `^server/(${domain})/`, pathNot: tests },
      to: {
        path: `^server/(${domain})/`,
        pathNot: '^server/$1/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'administration-is-above-the-domain',
      comment: 'It acts on all of the domain; nobody in the domain waits for an administrator.',
      severity: 'error',
      from: { path: `^server/(${domain}|rooms|stream)/`, pathNot: tests },
      to: { path: '^server/administration/' },
    },
    {
      name: 'domain-knows-no-http',
      comment: 'Actions are called by endpoints, timers and tests alike.',
      severity: 'error',
      from: { path: `^server/(${domain}|rooms|stream|administration)/`, pathNot: tests },
      to: { path: '^server/(http|client-api|federation-api)/|^(node:)?https?$' },
    },
    {
      name: 'http-knows-no-rooms',
      comment: 'It may look up who is asking, and what they were answered before.',
      severity: 'error',
      from: { path: '^server/http/', pathNot: tests },
      to: {
        path: '^server/(?!http/|accounts/|lib/|matrix/|(context|ground|config|requester)\\.ts)',
      },
    },
    {
      name: 'endpoints-do-not-open-transactions',
      comment: 'Endpoints may read; only actions write.',
      severity: 'error',
      from: { path: '^server/(client-api|federation-api|http)/', pathNot: tests },
      to: { path: '^db/transaction', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nobody-knows-of-the-laboratory',
      comment: 'It holds the server from outside: only the front doors know of it.',
      severity: 'error',
      from: {
        path: '^server/',
        pathNot: `^server/(main|serving)\\.ts$|^server/(testing|lab)/|${tests}`,
      },
      to: { path: '^server/lab/' },
    },
    {
      name: 'context-is-handed-in',
      comment: 'Only the front doors build it; all others take its type.',
      severity: 'error',
      from: { path: '^server/', pathNot: `^server/(main|serving)\\.ts$|^server/testing/|${tests}` },
      to: { path: '^server/context\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'spec-tests-are-black-box',
      comment: 'They see what a client sees.',
      severity: 'error',
      from: { path: '^spec-tests/(?!support/)' },
      to: { path: '^(server|db)/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
  },
}
