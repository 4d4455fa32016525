using System;
using System.Runtime.InteropServices;
using System.Text;

/// <summary>
/// Uploads a file to a vault.
/// usage: Upload.exe VAULT FILE
/// The program uses P/Invoke. Keys and region come from the environment.
/// </summary>
static class Program
{
    const string Library = "libglacier_mp.so.0";
    const int Ok = 0;
    const int Continue = 1;

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
    [DllImport(Library)] static extern int glacier_upload_set_progress(IntPtr upload, ProgressFn callback, IntPtr userData, IntPtr destroy, out IntPtr err);
    [DllImport(Library)] static extern int glacier_upload_run(IntPtr upload, out IntPtr err);
    [DllImport(Library)] static extern IntPtr glacier_upload_archive_id(IntPtr upload);
    [DllImport(Library)] static extern void glacier_upload_free(IntPtr upload);
    [DllImport(Library)] static extern IntPtr glacier_error_message(IntPtr error);
    [DllImport(Library)] static extern int glacier_error_is_resumable(IntPtr error);
    [DllImport(Library)] static extern void glacier_error_free(IntPtr error);
    [DllImport(Library)] static extern IntPtr glacier_result_name(int result);

    /// <summary>The error of a function of the library.</summary>
    sealed class GlacierException : Exception
    {
        public readonly string Code;
        public readonly bool IsResumable;

        public GlacierException(int result, IntPtr error) : base(Text(glacier_error_message(error)))
        {
            Code = Text(glacier_result_name(result));
            IsResumable = glacier_error_is_resumable(error) == 1;
            glacier_error_free(error);
        }
    }

    /// <summary>Converts a string to UTF-8 that ends with NUL.</summary>
    static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text + "\0");

    /// <summary>Copies a string of the library. Other functions than this one read the system encoding, not UTF-8.</summary>
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

    static string Upload(string vault, string file)
    {
        IntPtr client = IntPtr.Zero, upload = IntPtr.Zero, err;
        // The variable keeps the delegate alive. An exception must not leave it.
        ProgressFn onProgress = (IntPtr userData, ref Progress progress) =>
        {
            Console.Error.WriteLine("{0} of {1} bytes", progress.BytesDone + progress.BytesResumed, progress.BytesTotal);
            return Continue;
        };
        IntPtr config = glacier_config_new();
        try
        {
            Check(glacier_client_new(config, out client, out err), err);
            Check(glacier_upload_new(client, Utf8(vault), out upload, out err), err);
            Check(glacier_upload_set_source_file(upload, Utf8(file), out err), err);
            Check(glacier_upload_set_progress(upload, onProgress, IntPtr.Zero, IntPtr.Zero, out err), err);
            Check(glacier_upload_run(upload, out err), err);
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
        if (arguments.Length != 2)
        {
            Console.Error.WriteLine("usage: Upload.exe VAULT FILE");
            return 2;
        }
        try
        {
            Console.WriteLine(Upload(arguments[0], arguments[1]));
            return 0;
        }
        catch (GlacierException exception)
        {
            Console.Error.WriteLine("{0}: {1}", exception.Code, exception.Message);
            return 1;
        }
    }
}
