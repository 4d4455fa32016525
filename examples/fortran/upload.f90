! Uploads a file to a vault.
!
! usage: upload VAULT FILE [JOURNAL]
!
! Keys and region come from the environment.
module glacier
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: error_unit
    implicit none

    integer(c_int32_t), parameter :: glacier_ok = 0, glacier_continue = 1
    ! 2**64 - 1: Fortran has no unsigned integers.
    integer(c_int64_t), parameter :: unknown = -1

    type, bind(c) :: glacier_progress
        integer(c_int64_t) :: struct_size, bytes_total, bytes_done, bytes_resumed, bytes_hashed, bytes_sent
        integer(c_int64_t) :: parts_total, parts_done, parts_in_flight, retries, workers, elapsed_ms
    end type

    interface
        function glacier_config_new() bind(c) result(config)
            import c_ptr
            type(c_ptr) :: config
        end function
        subroutine glacier_config_free(config) bind(c)
            import c_ptr
            type(c_ptr), value :: config
        end subroutine
        function glacier_client_new(config, client, err) bind(c) result(code)
            import c_ptr, c_int32_t
            type(c_ptr), value :: config
            type(c_ptr), intent(out) :: client
            type(c_ptr), intent(inout) :: err
            integer(c_int32_t) :: code
        end function
        subroutine glacier_client_free(client) bind(c)
            import c_ptr
            type(c_ptr), value :: client
        end subroutine
        function glacier_upload_new(client, vault, upload, err) bind(c) result(code)
            import c_ptr, c_char, c_int32_t
            type(c_ptr), value :: client
            character(kind=c_char), intent(in) :: vault(*)
            type(c_ptr), intent(out) :: upload
            type(c_ptr), intent(inout) :: err
            integer(c_int32_t) :: code
        end function
        function glacier_upload_set_source_file(upload, path, err) bind(c) result(code)
            import c_ptr, c_char, c_int32_t
            type(c_ptr), value :: upload
            character(kind=c_char), intent(in) :: path(*)
            type(c_ptr), intent(inout) :: err
            integer(c_int32_t) :: code
        end function
        function glacier_upload_set_journal(upload, path, err) bind(c) result(code)
            import c_ptr, c_char, c_int32_t
            type(c_ptr), value :: upload
            character(kind=c_char), intent(in) :: path(*)
            type(c_ptr), intent(inout) :: err
            integer(c_int32_t) :: code
        end function
        function glacier_upload_set_progress(upload, callback, user_data, destroy, err) bind(c) result(code)
            import c_ptr, c_funptr, c_int32_t
            type(c_ptr), value :: upload, user_data
            type(c_funptr), value :: callback, destroy
            type(c_ptr), intent(inout) :: err
            integer(c_int32_t) :: code
        end function
        function glacier_upload_run(upload, err) bind(c) result(code)
            import c_ptr, c_int32_t
            type(c_ptr), value :: upload
            type(c_ptr), intent(inout) :: err
            integer(c_int32_t) :: code
        end function
        function glacier_upload_archive_id(upload) bind(c) result(text)
            import c_ptr
            type(c_ptr), value :: upload
            type(c_ptr) :: text
        end function
        subroutine glacier_upload_free(upload) bind(c)
            import c_ptr
            type(c_ptr), value :: upload
        end subroutine
        function glacier_error_message(error) bind(c) result(text)
            import c_ptr
            type(c_ptr), value :: error
            type(c_ptr) :: text
        end function
        subroutine glacier_error_free(error) bind(c)
            import c_ptr
            type(c_ptr), value :: error
        end subroutine
        function glacier_result_name(code) bind(c) result(text)
            import c_ptr, c_int32_t
            integer(c_int32_t), value :: code
            type(c_ptr) :: text
        end function
        function strlen(text) bind(c) result(length)
            import c_ptr, c_size_t
            type(c_ptr), value :: text
            integer(c_size_t) :: length
        end function
    end interface

contains

    ! Copies a string of the library.
    function to_text(address) result(text)
        type(c_ptr), intent(in) :: address
        character(:), allocatable :: text
        character(kind=c_char), pointer :: bytes(:)
        integer :: i
        call c_f_pointer(address, bytes, [strlen(address)])
        allocate (character(size(bytes)) :: text)
        do i = 1, size(bytes)
            text(i:i) = bytes(i)
        end do
    end function

    function on_progress(user_data, progress) bind(c) result(flow)
        type(c_ptr), value :: user_data
        type(glacier_progress), intent(in) :: progress
        integer(c_int32_t) :: flow
        integer :: ignored
        ! The empty block uses user_data, so that the compiler does not warn about it.
        associate (unused => user_data)
        end associate
        ! With iostat, the program continues if standard error cannot be written.
        if (progress%bytes_total == unknown) then
            write (error_unit, '(i0, a)', iostat=ignored) progress%bytes_done + progress%bytes_resumed, ' bytes'
        else
            write (error_unit, '(i0, a, i0, a)', iostat=ignored) progress%bytes_done + progress%bytes_resumed, &
                ' of ', progress%bytes_total, ' bytes'
        end if
        flow = glacier_continue
    end function
end module

program upload_file
    use glacier
    implicit none
    type(c_ptr) :: config, client, upload, err
    integer(c_int32_t) :: code
    integer :: status

    if (command_argument_count() < 2 .or. command_argument_count() > 3) then
        write (error_unit, '(a)') 'usage: upload VAULT FILE [JOURNAL]'
        stop 2, quiet=.true.
    end if
    client = c_null_ptr
    upload = c_null_ptr
    err = c_null_ptr
    status = 0
    config = glacier_config_new()
    code = glacier_client_new(config, client, err)
    if (code == glacier_ok) code = glacier_upload_new(client, argument(1), upload, err)
    if (code == glacier_ok) code = glacier_upload_set_source_file(upload, argument(2), err)
    if (code == glacier_ok .and. command_argument_count() == 3) then
        code = glacier_upload_set_journal(upload, argument(3), err)
    end if
    if (code == glacier_ok) then
        code = glacier_upload_set_progress(upload, c_funloc(on_progress), c_null_ptr, c_null_funptr, err)
    end if
    if (code == glacier_ok) code = glacier_upload_run(upload, err)
    if (code == glacier_ok) then
        write (*, '(a)') to_text(glacier_upload_archive_id(upload))
    else
        write (error_unit, '(3a)') to_text(glacier_result_name(code)), ': ', to_text(glacier_error_message(err))
        call glacier_error_free(err)
        status = 1
    end if
    ! These functions accept NULL.
    call glacier_upload_free(upload)
    call glacier_client_free(client)
    call glacier_config_free(config)
    if (status /= 0) stop 1, quiet=.true.

contains

    ! Returns a command-line argument as a C string.
    function argument(number) result(text)
        integer, intent(in) :: number
        character(:), allocatable :: text
        integer :: length
        call get_command_argument(number, length=length)
        allocate (character(length + 1) :: text)
        call get_command_argument(number, text)
        text(length + 1:) = c_null_char
    end function
end program
