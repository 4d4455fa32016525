using System;
using System.IO;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;

/// <summary>
/// Uploads a file to a vault.
/// usage: Upload.exe VAULT FILE [JOURNAL]
/// The program uses P/Invoke. Keys and region come from the environment.
/// </summary>
static class Program
{
    const string Library = "libglacier_mp.so.0";
    const int Ok = 0;
    const int Stop = 0;
    const int Continue = 1;
    const ulong Unknown = ulong.MaxValue;

    /// <summary>glacier_progress_t.</summary>
    [StructLayout(LayoutKind.Sequential)]
    struct Progress
    {
        public ulong StructSize, BytesTotal, BytesDone, BytesResumed, BytesHashed, BytesSent;
        public ulong PartsTotal, PartsDone, PartsInFlight, Retries, Workers, ElapsedMs;
    }

    /// <summary>glacier_progress_fn.</summary>
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    delegate int ProgressFn(IntPtr userData, ref Progress progress);

    [DllImport(Library)] static extern IntPtr glacier_config_new();
    [DllImport(Library)] static extern void glacier_config_free(IntPtr config);
    [DllImport(Library)] static extern int glacier_client_new(IntPtr config, out IntPtr client, out IntPtr err);
    [DllImport(Library)] static extern void glacier_client_free(IntPtr client);
    [DllImport(Library)] static extern int glacier_upload_new(IntPtr client, byte[] vault, out IntPtr upload, out IntPtr err);
    [DllImport(Library)] static extern int glacier_upload_set_source_file(IntPtr upload, byte[] path, out IntPtr err);
    [DllImport(Library)] static extern int glacier_upload_set_journal(IntPtr upload, byte[] path, out IntPtr err);
    [DllImport(Library)] static extern int glacier_upload_set_progress(IntPtr upload, ProgressFn callback, IntPtr userData, IntPtr destroy, out IntPtr err);
    [DllImport(Library)] static extern int glacier_upload_run(IntPtr upload, out IntPtr err);
    [DllImport(Library)] static extern IntPtr glacier_upload_archive_id(IntPtr upload);
    [DllImport(Library)] static extern void glacier_upload_free(IntPtr upload);
    [DllImport(Library)] static extern IntPtr glacier_error_message(IntPtr error);
    [DllImport(Library)] static extern void glacier_error_free(IntPtr error);
    [DllImport(Library)] static extern IntPtr glacier_result_name(int result);

    /// <summary>The error of a function of the library.</summary>
    sealed class GlacierException : Exception
    {
        public readonly string Code;

        public GlacierException(int result, IntPtr error) : base(Text(glacier_error_message(error)))
        {
            Code = Text(glacier_result_name(result));
            glacier_error_free(error);
        }
    }

    /// <summary>Converts a string to UTF-8 that ends with NUL.</summary>
    static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text + "\0");

    /// <summary>Copies a string of the library. Mono has no Marshal.PtrToStringUTF8.</summary>
    static string Text(IntPtr address)
    {
        int length = 0;
        while (Marshal.ReadByte(address, length) != 0) length++;
        var bytes = new byte[length];
        Marshal.Copy(address, bytes, 0, length);
        return Encoding.UTF8.GetString(bytes);
    }

    static void Check(int result, IntPtr error)
    {
        if (result != Ok) throw new GlacierException(result, error);
    }

    static void Show(ref Progress progress)
    {
        string total = progress.BytesTotal == Unknown ? "" : " of " + progress.BytesTotal;
        try
        {
            Console.Error.WriteLine("{0}{1} bytes", progress.BytesDone + progress.BytesResumed, total);
        }
        catch (IOException)
        {
            // Standard error cannot be written. The upload does not need it.
        }
    }

    static string Upload(string vault, string file, string journal)
    {
        IntPtr client = IntPtr.Zero, upload = IntPtr.Zero, err;
        // The variable keeps the delegate alive. An exception must not leave it.
        Exception failure = null;
        ProgressFn onProgress = (IntPtr userData, ref Progress progress) =>
        {
            try
            {
                Show(ref progress);
                return Continue;
            }
            catch (Exception exception)
            {
                failure = exception;
                return Stop;
            }
        };
        IntPtr config = glacier_config_new();
        try
        {
            Check(glacier_client_new(config, out client, out err), err);
            Check(glacier_upload_new(client, Utf8(vault), out upload, out err), err);
            Check(glacier_upload_set_source_file(upload, Utf8(file), out err), err);
            if (journal != null) Check(glacier_upload_set_journal(upload, Utf8(journal), out err), err);
            Check(glacier_upload_set_progress(upload, onProgress, IntPtr.Zero, IntPtr.Zero, out err), err);
            try
            {
                Check(glacier_upload_run(upload, out err), err);
            }
            finally
            {
                if (failure != null) ExceptionDispatchInfo.Capture(failure).Throw();
            }
            return Text(glacier_upload_archive_id(upload));
        }
        finally
        {
            // These functions accept NULL.
            glacier_upload_free(upload);
            glacier_client_free(client);
            glacier_config_free(config);
            GC.KeepAlive(onProgress);
        }
    }

    static int Main(string[] arguments)
    {
        if (arguments.Length < 2 || arguments.Length > 3)
        {
            Console.Error.WriteLine("usage: Upload.exe VAULT FILE [JOURNAL]");
            return 2;
        }
        try
        {
            Console.WriteLine(Upload(arguments[0], arguments[1], arguments.Length == 3 ? arguments[2] : null));
            return 0;
        }
        catch (GlacierException exception)
        {
            Console.Error.WriteLine("{0}: {1}", exception.Code, exception.Message);
            return 1;
        }
    }
}
