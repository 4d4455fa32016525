--  The functions of libglacier_mp that the program uses.
with Interfaces;           use Interfaces;
with Interfaces.C;         use Interfaces.C;
with Interfaces.C.Strings; use Interfaces.C.Strings;
with System;               use System;

package Glacier is

   Glacier_OK       : constant int := 0;
   Glacier_Stop     : constant int := 0;
   Glacier_Continue : constant int := 1;

   Unknown_Length : constant Unsigned_64 := Unsigned_64'Last;

   type Progress is record
      Struct_Size, Bytes_Total, Bytes_Done, Bytes_Resumed, Bytes_Hashed,
      Bytes_Sent, Parts_Total, Parts_Done, Parts_In_Flight, Retries,
      Workers, Elapsed_Ms : Unsigned_64;
   end record
   with Convention => C;

   type Progress_Callback is access function
     (User_Data : Address; State : access constant Progress) return int
   with Convention => C;

   function Config_New return Address
   with Import, Convention => C, External_Name => "glacier_config_new";

   procedure Config_Free (Config : Address)
   with Import, Convention => C, External_Name => "glacier_config_free";

   function Client_New
     (Config : Address; Result, Err : access Address) return int
   with Import, Convention => C, External_Name => "glacier_client_new";

   procedure Client_Free (Client : Address)
   with Import, Convention => C, External_Name => "glacier_client_free";

   function Upload_New
     (Client : Address; Vault : char_array; Result, Err : access Address)
      return int
   with Import, Convention => C, External_Name => "glacier_upload_new";

   function Set_Source_File
     (Handle : Address; Path : char_array; Err : access Address) return int
   with Import, Convention => C,
        External_Name => "glacier_upload_set_source_file";

   function Set_Journal
     (Handle : Address; Path : char_array; Err : access Address) return int
   with Import, Convention => C,
        External_Name => "glacier_upload_set_journal";

   function Set_Progress
     (Handle    : Address;
      Callback  : Progress_Callback;
      User_Data : Address;
      Destroy   : Address;
      Err       : access Address) return int
   with Import, Convention => C,
        External_Name => "glacier_upload_set_progress";

   function Run (Handle : Address; Err : access Address) return int
   with Import, Convention => C, External_Name => "glacier_upload_run";

   function Archive_ID (Handle : Address) return chars_ptr
   with Import, Convention => C, External_Name => "glacier_upload_archive_id";

   procedure Upload_Free (Handle : Address)
   with Import, Convention => C, External_Name => "glacier_upload_free";

   function Error_Message (Error : Address) return chars_ptr
   with Import, Convention => C, External_Name => "glacier_error_message";

   procedure Error_Free (Error : Address)
   with Import, Convention => C, External_Name => "glacier_error_free";

   function Result_Name (Result : int) return chars_ptr
   with Import, Convention => C, External_Name => "glacier_result_name";

end Glacier;
