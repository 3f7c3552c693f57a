/**
 * Words that mean that a server was not reached, went away or did not answer: network, proxies, names, TLS, time. They are
 * those of git (http.c, remote-curl.c, connect.c, pkt-line.c, sideband.c, fetch-pack.c), curl (strerror.c), ssh, and of errno
 * and getaddrinfo in glibc, musl and macOS.
 *
 * Where git names the place (`unable to access '…'`), everything that may follow counts, except a status with which the
 * server refuses the request: curl has a text for each TLS library, and gets new ones.
 */

/** Messages of git about HTTP, whatever curl adds. */
const HTTP = [
  "unable to access '\\w+://",
  'rpc failed',
  'curl_result = ',
  'unable to get pack (file|index)',
  'info/refs not valid',
  'invalid server response',
  'rate limited by',
];
/** Errors of git about a connection. */
const PROTOCOL = [
  'unable to connect',
  'unable to look up ',
  'remote end hung up',
  'early eof',
  'unexpected disconnect',
  'unexpected eof',
  'protocol error',
  'error in (the )?sideband demultiplexer',
  'fetch-pack: (expected|invalid|unable)',
  'git fetch-pack: expected',
  '(read|write) error: ',
  'unable to write to remote',
  'expected (flush|packfile|response end packet|shallow)',
];
/** Messages of curl; those without a place in front concern a transfer that had begun. */
const CURL = [
  'failed to connect to ',
  "couldn'?t (connect|resolve)",
  'could not resolve',
  "can'?t (resolve|complete socks)",
  '(connection|connect|operation|resolving|ssl|accept) ?(timed? ?-?out|timeout)',
  'timeout was reached',
  'operation too slow',
  'empty reply from server',
  'server returned nothing',
  'transferred a partial file',
  'transfer closed with',
  '(recv|send) failure',
  'failed sending data',
  'failure when receiving data',
  'http/?[23] (stream|framing|connection)',
  'error in the http2 framing layer',
  'quic connection',
  'proxy connect',
  'connect tunnel failed',
  'from proxy after connect',
  'socks[45]',
  'ssl (connect error|peer certificate|certificate problem|server certificate)',
  '(ssl|tls|gnutls)[^ ]*( |: )',
  'certificate (verif|is not|has expired|not yet)',
];
/** Messages of ssh. */
const SSH = [
  'ssh: connect to host ',
  'ssh: could not resolve hostname ',
  '(kex|ssh)_exchange_identification',
  'banner exchange',
  'connection to .* (closed|timed out)',
  'timeout, server .* not responding',
  'connection (closed|reset) by ',
  'received disconnect from',
  'disconnected from ',
  'client_loop: send disconnect',
  'ssh_dispatch_run_fatal',
  'packet_write_wait',
  'stdio forwarding failed',
  'open failed: connect failed',
  'system is (booting up|going down)',
  'exceeded maxstartups',
];
const ERRNO = [
  'connection (refused|reset|timed out|closed|aborted|was reset)',
  'software caused connection abort',
  'operation timed out',
  'network (is )?(unreachable|down)',
  'network dropped connection',
  'no route to host',
  'host is (down|unreachable)',
  'broken pipe',
  'cannot assign requested address',
  "can'?t assign requested address",
  'address not available',
  '(transport endpoint|socket) is not connected',
  'transport endpoint shutdown',
  'temporary failure in name resolution',
  'non-recoverable failure in name resolution',
  'name or service not known',
  'no address associated with',
  'name does not resolve',
  'nodename nor servname',
];
const OUTAGE = new RegExp([...HTTP, ...PROTOCOL, ...CURL, ...SSH, ...ERRNO].join('|'), 'i');

/** The server has understood the request and refuses it, unlike with 407 (proxy), 408 and 425 (time) and 429 (load). */
const REFUSED = /(returned error: |http(_code =)? )4(?!07|08|25|29)\d\d/i;
/** Messages about a transport that git or curl lacks, or an invalid URL. */
const NEVER = /unsupported protocol|protocol .* not (supported|allowed)|url using bad|malformed|url rejected/i;

/** What git adds to ssh's message about a login; alone, it means that a server has hung up at once. */
const HUNG_UP = /^fatal: could not read from remote repository/i;
const ADVICE = /^(please make sure you have the correct access rights|and the repository exists\.|\s*)$/i;

/** Whether one of the lines means that. */
export function isOutage(lines: readonly string[]): boolean {
  if (lines.some(line => OUTAGE.test(line) && !REFUSED.test(line) && !NEVER.test(line))) return true;
  const said = lines.filter(line => !ADVICE.test(line));
  return said.length > 0 && said.every(line => HUNG_UP.test(line));
}
