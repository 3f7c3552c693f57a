/** Files to and from a drone without an agent: its side of a transfer is played here, on its files. See queue/agent/transfer.ts. */
import { Cancelled } from '../../../../agent/call-context.js';
import { transfer } from '../../../../agent/transfer.js';
import { readRequest, type TransferMethod } from '../../../../transfer/request.js';
import type { FileTransferResult } from '../../../../wire/methods.js';
import { RemoteFiles } from './remote-files.js';
import type { MethodCall } from './script.js';

export function transferBy(
  method: TransferMethod,
): (call: MethodCall, ...args: unknown[]) => Promise<FileTransferResult> {
  return async (call, ...args) => {
    let isGone = true;
    const onCancelled = (isThis: boolean): void => {
      isGone &&= isThis;
    };
    try {
      return await transfer(call.context, readRequest(method, args), new RemoteFiles({ ...call, onCancelled }));
    } catch (error) {
      throw error instanceof Cancelled ? new Cancelled(isGone) : error;
    }
  };
}
